"""Cryptography without Django: the tree of entries and signed notes of the log, and the masks of joint questions.

The Python client has a verifier of its own, so that receipts can be checked without the portal. Both follow the same
published formats and pass the same test vectors.
"""
