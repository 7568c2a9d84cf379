"""Shared helpers of the files that hide messages."""

from collections.abc import Callable

Make = Callable[[bool], bytes]
"""A file with the one message or the other."""
Case = tuple[str, str, Make]
"""The hiding place; what has to become of the message there (gone, shown or refused); and how the file is made."""
Place = tuple[str, str, str, Make]
"""The same, with the type of the file in the second place."""
A, B = "ROW-77", "ROW-42"
