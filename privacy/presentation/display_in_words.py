"""What is shown of an answer, in words: `Groups whose noisy count is above 50, largest count first, first 10`."""

from privacy.engine.language.display import EVERYTHING, Display, Order, compared
from privacy.engine.language.expressions import And, Not, Or, Predicate
from privacy.presentation import words
from privacy.presentation.expressions_in_words import grouped

COMPARED = {
    ">": "above",
    ">=": "at least",
    "<": "below",
    "<=": "at most",
    "=": "equal to",
    "!=": "other than",
}


def sentence(display: Display) -> str:
    """Return which groups are shown, in what order; empty if all are, as they come."""
    if display == EVERYTHING:
        return ""
    which = f"groups whose {_condition(display.having)}" if display.having is not None else "groups"
    first = "" if display.limit is None else f"first {display.limit:,}"
    skipped = f"after the first {display.offset:,}" if display.offset else ""
    parts = [which, *map(_order, display.order), *([skipped] if skipped else []), *([first] if first else [])]
    whole = ", ".join(parts)
    return f"{whole[0].upper()}{whole[1:]}."


def _order(order: Order) -> str:
    if order.is_key:
        return f"by {order.by}{', descending' if order.descending else ''}"
    return f"{'largest' if order.descending else 'smallest'} {_figure(order.by)} first"


def _figure(name: str) -> str:
    return "number of rows" if name == "n" else words.figure_name(name).lower()


def _condition(node: Predicate) -> str:
    match node:
        case And(parts):
            return " and ".join(map(_condition, parts))
        case Or(parts):
            return f"({' or '.join(map(_condition, parts))})"
        case Not(of):
            return f"not ({_condition(of)})"
        case _:
            op, name, limit = compared(node)
            return f"noisy {_figure(name)} is {COMPARED[op]} {grouped(limit)}"
