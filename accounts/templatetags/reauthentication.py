"""The lead sentence of the pages that ask people to confirm their identity again."""

from typing import Any

from django import template

from accounts.signin import reauthentication

register = template.Library()


@register.inclusion_tag("account/confirm_lead.html", takes_context=True)
def confirm_lead(context: template.Context, how: str) -> dict[str, Any]:
    """Name the step that is waiting. `how` begins the next sentence, such as "Enter your password"."""
    return {"step": reauthentication.step_to_confirm(context["request"]), "how": how}
