"""What templates need to offer passkeys."""

import json
from collections.abc import Mapping

from django import template

from accounts.signin import passkeys

register = template.Library()


@register.simple_tag
def passkeys_unavailable() -> str:
    """Why this portal's address takes no passkeys, or nothing."""
    return passkeys.unavailable() or ""


@register.filter
def ceremony(options: Mapping[str, object]) -> str:
    """The options of a ceremony as JSON, for a data attribute: the content security policy allows no inline script."""
    return json.dumps(options)
