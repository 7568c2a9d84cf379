"""What is written to the log, without the secrets that stand in addresses of pages."""

import logging
import re

_SLASH = "(?:/|%2F)"
SECRETS = re.compile(
    rf"({_SLASH}people{_SLASH}(?:welcome|register{_SLASH}confirm){_SLASH}"
    rf"|{_SLASH}account{_SLASH}password{_SLASH}reset{_SLASH}key{_SLASH}[0-9a-z]+-)[^/\s\"'?&%<>]+",
    re.IGNORECASE,
)
"""Whoever reads such a path can act with it: invitations, confirmations, new passwords."""


def masked(text: str) -> str:
    return SECRETS.sub(r"\1[secret]", text)


class Formatter(logging.Formatter):
    """Every line passes here, whoever wrote it: the web server, Django, a library or a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))
