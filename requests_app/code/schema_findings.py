"""Hints that need the declared tables: unknown names, rows that are written or printed, a missing answer."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

Parts = tuple[int, str, str, str]
"""Line, level, code and text of a finding."""

READS = frozenset({"read_csv", "read_parquet", "read_table", "scan_parquet", "scan_csv", "read_feather"})
WRITES = frozenset(
    (
        *(
            "to_csv",
            "to_parquet",
            "to_json",
            "write_csv",
            "write_parquet",
            "write_json",
            "write_text",
            "write_bytes",
        ),
        *("savefig", "savetxt", "dump", "write_table", "to_markdown", "save", "write"),
    )
)
TABLE_WRITES = frozenset(
    {"to_csv", "to_parquet", "to_json", "write_csv", "write_parquet", "write_json", "to_markdown"}
)
KEEPS_ROWS = frozenset(
    (
        *(
            "head",
            "tail",
            "sample",
            "copy",
            "sort_values",
            "sort_index",
            "reset_index",
            "set_index",
            "query",
            "filter",
        ),
        *(
            "drop",
            "dropna",
            "fillna",
            "assign",
            "rename",
            "astype",
            "merge",
            "join",
            "select",
            "collect",
            "lazy",
        ),
        *(
            "tolist",
            "to_list",
            "to_dict",
            "to_dicts",
            "to_numpy",
            "to_string",
            "to_pandas",
            "iterrows",
            "itertuples",
        ),
        *("rows", "nlargest", "nsmallest", "drop_duplicates", "with_columns", "clip", "where", "mask"),
    )
)
ROW_VIEWS = frozenset({"iloc", "loc", "values", "T", "array"})
MAX_STEPS = 20
"""How far names that get their value from one another are followed."""
PRINTS = frozenset({"print", "display", "pprint"})


@dataclass(frozen=True, slots=True)
class Schema:
    """The declared tables with their columns, and the declared parameters if they are known."""

    tables: Mapping[str, Sequence[str]]
    parameters: frozenset[str] | None


def about_schema(tree: ast.Module, nodes: Sequence[ast.AST], schema: Schema) -> Iterator[Parts]:
    """Yield all hints of this module. `nodes` are all of the tree's: walking it is most of the work, so do it once."""
    main = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main"), None)
    if main is not None:
        yield from _arguments(main, schema)
        yield from _unused_parameters(nodes, main, schema)
    yield from _missing_answer(nodes, main)
    yield from _unknown_files(nodes, schema)
    yield from _unknown_columns(nodes, schema)
    yield from _rows(nodes, main, schema)


def _arguments(main: ast.FunctionDef, schema: Schema) -> Iterator[Parts]:
    """Flag arguments of main() that are not declared."""
    wanted = main.args
    for argument in wanted.posonlyargs:
        yield (
            argument.lineno,
            "error",
            "argument",
            f"{argument.arg}: tables are passed by name, not by position.",
        )
    optional = len(wanted.args) - len(wanted.defaults)
    required = [*wanted.args[:optional]]
    required += [
        a for a, default in zip(wanted.kwonlyargs, wanted.kw_defaults, strict=True) if default is None
    ]
    for argument in required:
        if argument.arg in schema.tables or argument.arg in (schema.parameters or ()):
            continue
        if schema.parameters is None:
            text = f"{argument.arg} is not a declared table. Declare it as a parameter."
            yield argument.lineno, "info", "argument", text
        else:
            text = f"main() asks for {argument.arg}, which is neither a declared table nor a parameter."
            yield argument.lineno, "error", "argument", text


def _unused_parameters(nodes: Sequence[ast.AST], main: ast.FunctionDef, schema: Schema) -> Iterator[Parts]:
    """Flag declared parameters that main() does not take, unless the code reads them from its environment."""
    taken = {each.arg for each in (*main.args.posonlyargs, *main.args.args, *main.args.kwonlyargs)}
    unused = sorted((schema.parameters or frozenset()) - taken)
    reads = any(isinstance(node, ast.Constant) and node.value == "WEIR_PARAMETERS" for node in nodes)
    if main.args.kwarg is None and not reads:
        for name in unused:
            yield (
                main.lineno,
                "warning",
                "parameter",
                f"main() does not take {name}: the parameter has no effect.",
            )


def _missing_answer(nodes: Sequence[ast.AST], main: ast.FunctionDef | None) -> Iterator[Parts]:
    if any(isinstance(node, ast.Call) and _last(node.func) in WRITES for node in nodes):
        return
    if main is None:
        yield 1, "warning", "no-output", "Nothing is written: define main() and return the answer."
    elif not any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(main)):
        yield main.lineno, "warning", "no-output", "main() returns nothing, so there will be no output."


def _unknown_files(nodes: Sequence[ast.AST], schema: Schema) -> Iterator[Parts]:
    """Flag tables that are read from $WEIR_DATA by an undeclared name."""
    for call in _calls(nodes):
        if not schema.tables or _last(call.func) not in READS or not call.args:
            continue
        for node in ast.walk(call.args[0]):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "://" not in node.value:
                path = PurePosixPath(node.value)
                if path.suffix in (".parquet", ".csv", ".arrow") and path.stem not in schema.tables:
                    there = ", ".join(sorted(schema.tables))
                    yield (
                        call.lineno,
                        "warning",
                        "table",
                        f"There is no table {path.stem}. Declared: {there}.",
                    )


def _unknown_columns(nodes: Sequence[ast.AST], schema: Schema) -> Iterator[Parts]:
    """Flag columns of a declared table that neither exist nor are created by the code."""
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    kept = _row_names(nodes, schema)
    made = _made_columns(nodes)
    anywhere = {name for columns in schema.tables.values() for name in columns}
    for node in nodes:
        table, names = _asked_columns(node)
        if table not in schema.tables or (table in stored and table not in kept):
            continue
        known = anywhere if table in stored else set(schema.tables[table])
        for name in names:
            if name not in known | made:
                yield (
                    getattr(node, "lineno", 1),
                    "warning",
                    "column",
                    f"The table {table} has no column {name}.",
                )


def _made_columns(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names of columns that the code itself adds to tables."""
    made: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            made.update(_texts(node.slice))
        elif isinstance(node, ast.Call) and _last(node.func) in (
            "assign",
            "insert",
            "rename",
            "with_columns",
        ):
            made.update(keyword.arg for keyword in node.keywords if keyword.arg)
            made.update(
                n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            )
    return made


def _asked_columns(node: ast.AST) -> tuple[str, list[str]]:
    """Return a table's name and the columns that this expression reads from it."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return node.value.id, _texts(node.slice)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("groupby", "group_by", "sort_values", "set_index")
        and isinstance(node.func.value, ast.Name)
        and node.args
    ):
        return node.func.value.id, _texts(node.args[0])
    return "", []


def _texts(node: ast.AST) -> list[str]:
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]


def _rows(nodes: Sequence[ast.AST], main: ast.FunctionDef | None, schema: Schema) -> Iterator[Parts]:
    """Flag places where rows of a table leave the code rather than something computed from them."""
    names = _row_names(nodes, schema)
    for call in _calls(nodes):
        last = _last(call.func)
        if last in PRINTS and any(_has_rows(argument, names) for argument in call.args):
            yield (
                call.lineno,
                "warning",
                "rows",
                "This prints rows. Only the owner and reviewers read the log.",
            )
        elif (
            last in TABLE_WRITES
            and isinstance(call.func, ast.Attribute)
            and _has_rows(call.func.value, names)
        ):
            yield (
                call.lineno,
                "warning",
                "rows",
                "This writes rows of a table, not something computed from them.",
            )
    for node in ast.walk(main) if main else ():
        if isinstance(node, ast.Return) and any(_has_rows(value, names) for value in _answers(node.value)):
            yield (
                node.lineno,
                "warning",
                "rows",
                "This returns rows of a table, not something computed from them.",
            )


def _answers(node: ast.expr | None) -> list[ast.expr]:
    if isinstance(node, ast.Dict):
        return list(node.values)
    if isinstance(node, ast.List | ast.Tuple):
        return node.elts
    return [] if node is None else [node]


def _row_names(nodes: Sequence[ast.AST], schema: Schema) -> frozenset[str]:
    """Return the tables, and the names to which the code assigns only rows of them."""
    given: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    given.setdefault(target.id, []).append(node.value)
    kept = set(given)
    for _ in range(MAX_STEPS):
        names = frozenset(schema.tables).difference(given) | kept
        lost = {name for name in kept if not all(_has_rows(value, names) for value in given[name])}
        if not lost:
            break
        kept -= lost
    return frozenset(schema.tables).difference(given) | kept


def _has_rows(node: ast.expr, names: frozenset[str]) -> bool:
    """Return whether this expression is rows of a table: a table, a part of it, or one read from its file."""
    while True:
        if isinstance(node, ast.Name):
            return node.id in names
        if isinstance(node, ast.Call):
            if _last(node.func) in READS:
                return True
            if not isinstance(node.func, ast.Attribute) or node.func.attr not in KEEPS_ROWS:
                return False
            node = node.func.value
        elif isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr in ROW_VIEWS):
            node = node.value
        else:
            return False


def _calls(nodes: Sequence[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in nodes if isinstance(node, ast.Call))


def _last(function: ast.AST) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
