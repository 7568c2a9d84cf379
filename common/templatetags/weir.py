"""Template tags for the components of every page; docs/components.md shows each of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import nh3
from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from common.confirmation import QUESTION

if TYPE_CHECKING:
    from django.core.paginator import Page
    from django.db.models import Model

register = template.Library()

TONES = {
    "grey": "draft withdrawn discarded retired expired cancelled void voided closed",
    "blue": "submitted in_review pending held checking queued starting running collecting ending receiving reading "
    "open waiting invited",
    "green": "approved approve published succeeded released release granted active live done accepted resolved ready",
    "amber": "changes_requested request_changes cancelling frozen suspended withhold warning",
    "red": "rejected reject failed denied revoked recalled refused error",
}
TONE_OF = {state: tone for tone, states in TONES.items() for state in states.split()}
MOVING = {"starting", "running", "collecting", "ending", "cancelling", "receiving", "reading", "queued"}
STEPS_OF_TIME = [(31_557_600, "year"), (2_629_800, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")]
MARKDOWN_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "ul"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "tbody", "td", "th", "thead", "tr"),
}
NEVER = "\N{EN DASH}"
MARKDOWN_LIMIT = 100_000
PAGES_AROUND = 2


@lru_cache(maxsize=1)
def _icons() -> dict[str, str]:
    shapes: dict[str, str] = json.loads((settings.ROOT / "static" / "build" / "icons.json").read_text())
    return shapes


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Render a Tabler outline icon as inline SVG, hidden from screen readers."""
    shape = _icons().get(name)
    if shape is None:
        raise template.TemplateSyntaxError(f"There is no icon {name!r}; see tabler.io/icons for the names.")
    return format_html(
        '<svg class="icon {}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round"'
        ' stroke-linejoin="round" aria-hidden="true" focusable="false">{}</svg>',
        classes,
        mark_safe(shape),  # noqa: S308 -- shapes come from our own build
    )


def relative(moment: datetime, now: datetime) -> str:
    """`3 hours ago`, `in 2 days`, `just now`."""
    seconds = int((moment - now).total_seconds())
    for size, unit in STEPS_OF_TIME:
        if abs(seconds) >= size:
            count = abs(seconds) // size
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "in less than a minute" if seconds > 0 else "just now"


def exact(moment: datetime) -> str:
    """A date and time to the minute, in the person's own time zone."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"


@register.filter
def span(length: timedelta | float) -> str:
    """A duration: `15 min`, `1 h 5 min`, `42 s`."""
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"


@register.simple_tag
def ago(moment: datetime | None, otherwise: str = NEVER) -> SafeString | str:
    """Render a relative time that JavaScript keeps up to date, with the exact time in its title."""
    if moment is None:
        return otherwise
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.astimezone(UTC).isoformat(timespec="seconds"),
        exact(moment),
        relative(moment, timezone.now()),
    )


@register.simple_tag
def at(moment: datetime | None, otherwise: str = NEVER) -> SafeString | str:
    """An exact time."""
    if moment is None:
        return otherwise
    iso = moment.astimezone(UTC).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', iso, exact(moment))


@register.simple_tag
def badge(text: str, tone: str = "grey") -> SafeString:
    """A badge in a given colour: grey, blue, green, amber or red."""
    return format_html('<span class="badge-state tone-{}">{}</span>', tone, text)


@register.simple_tag
def state(item: Model, field: str = "state") -> SafeString:
    """The state of an object in words, as a badge; TONES gives its colour."""
    value = str(getattr(item, field))
    words = getattr(item, f"get_{field}_display", lambda: value)()
    moving = " is-live" if value in MOVING else ""
    return format_html(
        '<span class="badge-state tone-{}{}">{}</span>', TONE_OF.get(value, "grey"), moving, words
    )


@register.inclusion_tag("components/step.html", takes_context=True)
def step(  # noqa: PLR0913, PLR0917 -- each is an option of the button
    context: template.Context,
    url: str,
    label: str,
    refusal: str | None = None,
    style: str = "primary",
    icon: str = "",
    confirm: str = "",
    size: str = "",
    **fields: object,
) -> dict[str, object]:
    """A button that does one thing by POST, or the same button disabled with the reason beside it.

    Further keywords become hidden fields.
    """
    return {
        "request": context.get("request"),
        "csrf_token": context.get("csrf_token"),
        "url": url,
        "label": label,
        "refusal": refusal,
        "style": style,
        "icon_name": icon,
        "confirm": confirm,
        "size": size,
        "fields": fields,
    }


@register.simple_block_tag
def confirms(content: str, button: str = "") -> SafeString:
    """Render the question that a form asks before it is sent; with `button` (`name=value`), only that button asks."""
    name = f"{QUESTION}:{button}" if button else QUESTION
    return format_html('<input type="hidden" name="{}" value="{}">', name, content)


@register.inclusion_tag("components/empty.html")
def empty(icon: str, title: str, text: str = "", url: str = "", label: str = "") -> dict[str, str]:
    """The empty state of a list: why it is empty, and what to do next."""
    return {"icon_name": icon, "title": title, "text": text, "url": url, "label": label}


@register.inclusion_tag("components/person.html")
def person(user: Any, me: Any = None) -> dict[str, object]:
    """A person's initials and name; `you` when it is `me`."""
    return {"user": user, "initials": initials(str(user)), "is_me": me is not None and user == me}


@register.simple_tag
def who(user: Any, otherwise: str = "the portal") -> SafeString | str:
    """A person's name followed by their address, because people choose their names but not their addresses."""
    if user is None:
        return otherwise
    return format_html('{} <span class="who">{}</span>', user, user.email)


@register.filter
def breakable(text: object) -> SafeString:
    """An address or a file name that breaks after its @, dots, dashes and underscores: a script says so, because the
    page's own text stays whole."""
    return format_html('<span class="breaks">{}</span>', text)


@register.filter
def initials(name: str) -> str:
    """`Ada Lovelace` -> `AL`."""
    words = re.findall(r"[^\W_]+", name.partition("@")[0])
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper() if words else "?"


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown without images or raw HTML, cleaned once more after rendering."""
    rendered = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")
    clean = nh3.clean(
        rendered.render(text[:MARKDOWN_LIMIT]),
        tags=MARKDOWN_TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(f'<div class="markdown">{clean}</div>')  # noqa: S308 -- cleaned by nh3


@register.inclusion_tag("components/pagination.html", takes_context=True)
def paginate(context: template.Context, page_obj: Page[Any], noun: str = "") -> dict[str, object]:
    """Links to the other pages of a list, keeping the filters of the address."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    around = page_obj.paginator.get_elided_page_range(page_obj.number, on_each_side=PAGES_AROUND, on_ends=1)
    return {"page": page_obj, "numbers": list(around), "query": query.urlencode(), "noun": noun}


@register.simple_block_tag
def dialog(content: str, id: str, title: str, open: bool = False) -> SafeString:  # noqa: A002, FBT001, FBT002 -- HTML's words
    """A dialog that `data-opens="<id>"` opens; it usually contains a form that asks for a reason."""
    return mark_safe(  # noqa: S308 -- rendered by a template
        render_to_string(
            "components/dialog.html", {"id": id, "title": title, "content": content, "open": open}
        )
    )
