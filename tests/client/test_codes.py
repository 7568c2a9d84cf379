"""Every code that an answer of the API can carry becomes an exception of the client."""

from common.errors import CODES
from weir import errors


def test_every_code_of_the_portal_has_a_class_of_its_own_or_is_a_mistake_of_the_client():
    of_the_protocol = {"method_not_allowed", "not_acceptable", "unsupported_media_type"}
    assert set(CODES) - set(errors.BY_CODE) == of_the_protocol
    assert len(CODES) > 20
