"""What is sealed opens with the same secret key and for the same purpose alone."""

import pytest
from django.test import override_settings

from common import sealing


def test_what_is_sealed_is_opened_again_and_looks_different_each_time():
    one, two = sealing.seal(b"secret", "weir/a/1"), sealing.seal(b"secret", "weir/a/1")
    assert one != two
    assert b"secret" not in one
    assert sealing.unseal(one, "weir/a/1") == sealing.unseal(two, "weir/a/1") == b"secret"


@pytest.mark.parametrize(
    "changed",
    [
        lambda sealed: b"",
        lambda sealed: sealed[:20],
        lambda sealed: sealed[:-1],
        lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:],
        lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    ],
)
def test_what_was_changed_is_not_opened(changed):
    with pytest.raises(sealing.CannotOpen):
        sealing.unseal(changed(sealing.seal(b"secret", "weir/a/1")), "weir/a/1")


def test_another_purpose_opens_nothing():
    with pytest.raises(sealing.CannotOpen, match="weir/b/1"):
        sealing.unseal(sealing.seal(b"secret", "weir/a/1"), "weir/b/1")


def test_an_earlier_secret_key_opens_and_is_told_apart(settings):
    sealed, earlier = sealing.seal(b"secret", "weir/a/1"), settings.SECRET_KEY
    assert sealing.is_sealed_now(sealed, "weir/a/1")
    with override_settings(SECRET_KEY="n" * 40):
        with pytest.raises(sealing.CannotOpen):
            sealing.unseal(sealed, "weir/a/1")
        with override_settings(SECRET_KEY_FALLBACKS=["z" * 40, earlier]):
            assert sealing.unseal(sealed, "weir/a/1") == b"secret"
            assert not sealing.is_sealed_now(sealed, "weir/a/1")
