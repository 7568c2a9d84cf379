"""What may be said of private content so that two sayings can be compared: a hash that only this portal can make.

A plain hash of a file, a table or a cell gives it away to whoever can list what it might be. So nothing that anybody
reads (a page, a record, an entry of the log, an answer, a header) holds one, except of what has been released.
tests/guards/test_hashes.py lists every hash in the source with its reason.
"""

from django.utils.crypto import salted_hmac


def keyed(purpose: str, content: str) -> str:
    """The fingerprint of a text, for one purpose: the same text has another for each, and another on each portal."""
    return salted_hmac(purpose, content, algorithm="sha256").hexdigest()
