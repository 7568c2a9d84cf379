"""Parse a text into one SELECT statement, and refuse with line and column. `sql` builds the query from it.

sqlglot parses; limits on length, brackets and parts come first or right after.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from privacy.engine.language.expressions import MAX_DEPTH
from privacy.engine.language.schema import QueryRefused, check_text

MAX_LENGTH = 10_000
DIALECT = Dialect.get_or_raise("duckdb")
LITERALS = {TokenType.STRING, TokenType.IDENTIFIER, TokenType.VAR}
WORDS = {
    "select", "from", "where", "group", "by", "as", "and", "or", "not", "in", "is", "null", "between", "case", "when",
    "then", "else", "end", "distinct", "true", "false", "within", "order", "asc", "desc", "limit", "having", "offset",
}  # fmt: skip
LEARNING = {
    "fit",
    "train",
    "predict",
    "synthesize",
    "logistic",
    "logistic_regression",
    "poisson",
    "multinomial",
}
NO_SQL = (
    "models and synthetic tables cannot be asked for in SQL. Choose “Model that predicts a column” or “Synthetic "
    "table” in the form, or ask with the API or the Python client."
)
PLACED = re.compile(r"Line \d+, column \d+:")
Node: TypeAlias = exp.Expr


def statement(text: str, columns: Collection[str]) -> exp.Select:
    """Return the only statement of a text, a SELECT. Raises QueryRefused.

    `columns`: column names that need no quotes although they are SQL keywords.
    """
    if len(text) > MAX_LENGTH:
        raise QueryRefused(f"This SQL is longer than {MAX_LENGTH:,} characters. Shorten it.")
    check_text(text)
    if _depth(text) > MAX_DEPTH:
        raise QueryRefused(f"Brackets are nested more than {MAX_DEPTH} levels deep. Simplify the SQL.")
    names = {name.casefold() for name in columns} - WORDS
    try:
        tokens = [_plain(token, names) for token in DIALECT.tokenize(text)]
        _refuse_learning(tokens)
        statements = DIALECT.parser().parse(tokens, text)
    except SqlglotError as bad:
        raise QueryRefused(_syntax(bad, text)) from bad
    except RecursionError as deep:
        raise QueryRefused("This SQL is nested too deeply. Simplify it.") from deep
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise QueryRefused("Write exactly one SELECT … FROM … statement.")
    if sum(1 for _ in statements[0].walk()) > 2000:
        raise QueryRefused("This SQL has too many parts. Simplify it.")
    _place_functions(statements[0], tokens)
    return statements[0]


def _refuse_learning(tokens: Sequence[Token]) -> None:
    """Raise QueryRefused for `FIT …` and `SELECT FIT(…)`, in the words of databases that train models in SQL."""
    for k, token in enumerate(tokens):
        called = k + 1 < len(tokens) and tokens[k + 1].token_type == TokenType.L_PAREN
        if token.text.casefold() in LEARNING and (k == 0 or called):
            raise QueryRefused(f"Line {token.line}, column {token.col - (token.end - token.start)}: {NO_SQL}")


def _place_functions(select: exp.Select, tokens: Sequence[Token]) -> None:
    """Give functions their place in the text, where the parser keeps only that of what is in their brackets."""
    words: dict[str, list[Token]] = {}
    for token in tokens:
        words.setdefault(token.text.upper(), []).append(token)
    for node in reversed(list(select.walk(bfs=False))):  # what is inside comes first
        if not isinstance(node, exp.Func) or "line" in node.meta:
            continue
        inner = next((part.meta["start"] for part in node.walk(bfs=False) if "line" in part.meta), 0)
        named = [each for name in node.sql_names() for each in words.get(name, []) if each.start < inner]
        if named:
            last = max(named, key=lambda each: each.start)
            node.meta.update(line=last.line, col=last.col, start=last.start, end=last.end)


def _plain(token: Token, names: Collection[str]) -> Token:
    """Read a column named like an SQL keyword (`union`, `left`) as a name, unless the keyword is used here.

    `names`: in lower case.
    """
    if token.text.casefold() not in names or token.token_type in LITERALS:
        return token
    return Token(TokenType.VAR, token.text, token.line, token.col, token.start, token.end)


def _depth(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _syntax(bad: SqlglotError, text: str) -> str:
    for error in getattr(bad, "errors", None) or []:
        column = error["col"] - max(len(error["highlight"] or "") - 1, 0)
        return f"Line {error['line']}, column {column}: this SQL cannot be parsed."
    if text.count("'") % 2:
        before = text[: text.rindex("'")]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return f"Line {line}, column {column}: the quoted text that begins here is not closed."
    return "This SQL cannot be parsed."


@contextmanager
def at(node: Node) -> Iterator[None]:
    """Give a refusal that does not say where it is the position of this node."""
    try:
        yield
    except QueryRefused as refused:
        if PLACED.match(str(refused)):
            raise
        raise refusal(node, str(refused)) from refused


def refusal(node: Node, why: str) -> QueryRefused:
    """Return the refusal of a node, with its position if it has one."""
    for part in node.walk(bfs=False):  # in the order of the text
        if "line" in part.meta:
            # The parser keeps where a word ends; people look for where it begins.
            column = part.meta["col"] - (part.meta["end"] - part.meta["start"])
            return QueryRefused(f"Line {part.meta['line']}, column {column}: {why}")
    return QueryRefused(why)


def _refuse_word(word: str, text: str, why: str) -> None:
    """Refuse a clause at the position of its keyword, if found: the parser keeps no positions of keywords."""
    found = [
        token
        for token in DIALECT.tokenize(text)
        if token.token_type not in LITERALS and token.text.upper().startswith(word)
    ]
    if found:
        token = found[0 if word in {"WITH", "DISTINCT"} else -1]
        raise QueryRefused(f"Line {token.line}, column {token.col - (token.end - token.start)}: {why}")


def refuse_clauses(select: exp.Select, text: str) -> None:
    """Raise QueryRefused for the clauses of SELECT that questions do not have, at their keywords."""
    names = {
        "joins": "joins are not supported", "distinct": "SELECT DISTINCT is not supported: declared values are public",
        "sample": "sampling is not supported",
        "windows": "window functions are not supported: they look at other people's rows",
        "laterals": "LATERAL is not supported", "pivots": "PIVOT is not supported",
    }  # fmt: skip
    allowed = {
        "kind", "hint", "expressions", "from_", "where", "group", "having", "order", "limit", "offset",
        "operation_modifiers",
    }  # fmt: skip
    for name, value in select.args.items():
        if value and name not in allowed:
            word = name.strip("_").upper()
            why = f"{names.get(name, f'{word} is not supported')}."
            _refuse_word(word.removesuffix("S"), text, why)
            raise refusal(value[0] if isinstance(value, list) else select, why)
