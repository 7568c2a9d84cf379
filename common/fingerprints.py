"""Keyed hashes, so that private content can be compared without being revealed: only this portal can make them.

A plain hash of a file, a table or a cell can be brute-forced by whoever can list what the content might be. So nothing
that anybody reads (a page, a record, an audit entry, an answer, a header) contains one, except of released content.
tests/guards/test_hashes.py lists every hash in the source with its reason.
"""

from django.utils.crypto import salted_hmac


def keyed(purpose: str, content: str) -> str:
    """Return the fingerprint of a text for one purpose. It differs by purpose, and from portal to portal."""
    return salted_hmac(purpose, content, algorithm="sha256").hexdigest()
