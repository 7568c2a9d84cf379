"""Template tags for pages that offer passkeys."""

import json
from collections.abc import Mapping

from django import template

from accounts.signin import passkeys

register = template.Library()


@register.simple_tag
def passkeys_unavailable() -> str:
    """Return why browsers create no passkeys for this portal's address, or ""."""
    return passkeys.unavailable() or ""


@register.filter
def ceremony(options: Mapping[str, object]) -> str:
    """Return the options of a ceremony as JSON for a data attribute, because the CSP allows no inline script."""
    return json.dumps(options)
