"""Hints about code that nobody has run: lines that a reviewer, or the author before, may want to look at.

Hints, not a defence: what code can do is decided by the sandbox, what leaves it by people.
"""

import ast
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from requests_app.code.highlight import TOKEN
from requests_app.code.schema_findings import Schema, about_schema
from runner.plain_text import is_hidden

MAX_BYTES = 200_000
MAX_FINDINGS = 200
MAX_NESTING = 60
MAX_NODES = 50_000

MODULES: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        (
            *(
                "socket",
                "ssl",
                "http",
                "urllib",
                "urllib3",
                "requests",
                "httpx",
                "aiohttp",
                "ftplib",
                "smtplib",
            ),
            *(
                "telnetlib",
                "imaplib",
                "poplib",
                "xmlrpc",
                "socketserver",
                "asyncore",
                "paramiko",
                "websocket",
                "boto3",
            ),
        ),
        ("warning", "network", "There is no network in the sandbox: this import is of no use there."),
    ),
    **dict.fromkeys(
        ("subprocess", "pty", "pexpect", "sh"),
        ("warning", "subprocess", "Other programs cannot be started in the sandbox."),
    ),
    **dict.fromkeys(
        ("ctypes", "cffi", "mmap", "_ctypes"),
        ("warning", "native", "This reaches below Python, where a reader of the code cannot follow."),
    ),
    **dict.fromkeys(
        ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"),
        ("warning", "pickle", "Pickles run code when they are opened, and never come out of a run."),
    ),
    **dict.fromkeys(
        ("importlib", "imp", "runpy", "code", "codeop", "builtins", "gc", "inspect"),
        ("warning", "dynamic", "This can run or reach code that is not written here."),
    ),
    **dict.fromkeys(
        ("base64", "zlib", "binascii", "codecs", "lzma", "bz2", "gzip", "zipfile", "tarfile"),
        ("info", "encoding", "Encoded or packed values cannot be judged by looking at the output."),
    ),
    **dict.fromkeys(
        ("multiprocessing", "concurrent", "threading"),
        ("info", "parallel", "Processes and threads are bounded in the sandbox."),
    ),
}
CALLS: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        ("eval", "exec", "compile", "__import__"),
        ("warning", "dynamic", "This runs code that is not written here."),
    ),
    **dict.fromkeys(
        ("os.system", "os.popen", "os.fork", "os.execv", "os.execve", "os.spawnv", "os.posix_spawn"),
        ("warning", "subprocess", "Other programs cannot be started in the sandbox."),
    ),
    **dict.fromkeys(
        ("globals", "locals", "vars", "getattr", "setattr"),
        ("info", "dynamic", "Names made at run time are hard to follow for a reader."),
    ),
}
READERS = frozenset(
    {"open", "read_csv", "read_parquet", "read_json", "read_table", "read_pickle", "loadtxt", "load"}
)
FORBIDDEN_TYPES: dict[str, str] = {
    **dict.fromkeys(("to_pickle", "dump_pickle", "dill", "read_pickle"), "Pickles never come out of a run."),
    **dict.fromkeys(("to_html", "to_xml"), "HTML and XML never come out of a run; write CSV or JSON."),
    **dict.fromkeys(
        ("to_excel", "to_stata", "to_hdf", "savez"), "This type never comes out of a run; write CSV."
    ),
}
FORMATTED = re.compile(r"[rR]?[fF]")
WORD = re.compile(r"[^\W\d]\w*")
FOLDERS = ("/data", "/out", "/tmp")  # noqa: S108 the sandbox's own


@dataclass(frozen=True, slots=True)
class Finding:
    """One hint: where, how grave (error, warning, info), a stable code, and the words."""

    line: int
    level: str
    code: str
    text: str


def find(
    code: str, tables: Mapping[str, Sequence[str]], parameters: Collection[str] | None = None
) -> list[Finding]:
    """What can be said of the code without running it, by line. `parameters` are the declared ones, if known."""
    if len(code.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return [Finding(1, "error", "size", f"The code has more than {MAX_BYTES:,} bytes.")]
    deceptions = list(_deceptions(code))
    if not code.strip():
        return [Finding(1, "error", "empty", "There is no code yet.")]
    try:
        tree = ast.parse(code)
        nodes = list(islice(ast.walk(tree), MAX_NODES + 1))
    except SyntaxError as error:
        text = f"Python cannot read this: {error.msg}".rstrip(".?") + "."
        return [*deceptions, Finding(error.lineno or 1, "error", "syntax", text)]
    except (ValueError, RecursionError, MemoryError):
        return [
            *deceptions,
            Finding(1, "error", "syntax", "Python cannot read this: null bytes or too much nesting."),
        ]
    if len(nodes) > MAX_NODES:
        text = "The code is too dense to be looked at by itself: there are no hints on its lines."
        return [*deceptions, Finding(1, "warning", "size", text)]
    if _depth(tree) > MAX_NESTING:
        return [
            *deceptions,
            Finding(1, "error", "nesting", f"The code is nested more than {MAX_NESTING} levels deep."),
        ]
    found = {*deceptions, *_everywhere(nodes)}
    schema = Schema(tables, None if parameters is None else frozenset(parameters))
    found |= {Finding(*parts) for parts in about_schema(tree, nodes, schema)}
    return sorted(found, key=lambda finding: (finding.line, finding.code, finding.text))[:MAX_FINDINGS]


def _depth(tree: ast.AST) -> int:
    """How many levels the tree has, counted without recursion."""
    level, depth = [tree], 0
    while level and depth <= MAX_NESTING:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _deceptions(code: str) -> Iterator[Finding]:
    """Characters that make code look other than it is."""
    for number, line in enumerate(code.split("\n"), start=1):
        if line.isascii() and line.isprintable():
            continue
        inside = line.rstrip("\r")
        if found := next(
            (character for character in inside if character == "\r" or is_hidden(character)), ""
        ):
            name = f"U+{ord(found):04X}"
            yield Finding(number, "warning", "hidden", f"There is a hidden character ({name}) on this line.")
    if not code.isascii():
        yield from _twins(code)


def _twins(code: str) -> Iterator[Finding]:
    """Names that Python takes for others: it reads each letter in its plain form, full-width ones as ordinary ones."""
    for start, word in _names(code):
        name = unicodedata.normalize("NFKC", word)
        if name != word:
            text = f"Python reads the name {word!r} as {name!r}: the two are one name."
            yield Finding(code.count("\n", 0, start) + 1, "warning", "twin", text)


def _names(code: str) -> Iterator[tuple[int, str]]:
    """The names that are not plain letters, also those inside formatted strings, and where they stand."""
    for token in TOKEN.finditer(code):
        text = token.group()
        if text.isascii():
            continue
        if token.lastgroup == "n":
            yield token.start(), text
        elif token.lastgroup == "s" and FORMATTED.match(text):
            yield from ((token.start() + word.start(), word.group()) for word in WORD.finditer(text))


def _everywhere(nodes: Sequence[ast.AST]) -> Iterator[Finding]:
    """Hints that one node alone gives."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (
                _imported(node.lineno, name.name) for name in node.names if _root(name.name) in MODULES
            )
        elif isinstance(node, ast.ImportFrom) and _root(node.module or "") in MODULES:
            yield _imported(node.lineno, node.module or "")
        elif isinstance(node, ast.Call):
            yield from _called(node)
        elif (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("__")
            and node.attr not in {"__name__", "__doc__"}
        ):
            text = f"{node.attr} reaches into Python's own works."
            yield Finding(node.lineno, "warning", "internals", text)
        elif isinstance(node, ast.While) and _is_true(node.test) and not _leaves(node):
            yield Finding(
                node.lineno, "info", "endless", "This loop has no way out: it ends at the time limit."
            )
        elif isinstance(node, ast.Name) and not node.id.isascii():
            name = unicodedata.normalize("NFKC", node.id)
            yield Finding(
                node.lineno, "info", "letters", f"The name {name!r} has letters that may look like others."
            )


def _root(module: str) -> str:
    return module.partition(".")[0]


def _imported(line: int, module: str) -> Finding:
    level, code, text = MODULES[_root(module)]
    return Finding(line, level, code, f"{module}: {text}")


def _called(call: ast.Call) -> Iterator[Finding]:
    name = dotted(call.func)
    last = name.rpartition(".")[2]
    if name in CALLS:
        level, code, text = CALLS[name]
        yield Finding(call.lineno, level, code, f"{name}: {text}")
    if last in FORBIDDEN_TYPES:
        yield Finding(call.lineno, "error", "type", f"{last}: {FORBIDDEN_TYPES[last]}")
    if last in READERS and call.args and isinstance(call.args[0], ast.Constant):
        yield from _opened(call.lineno, call.args[0].value)


def _opened(line: int, path: object) -> Iterator[Finding]:
    if not isinstance(path, str):
        return
    if "://" in path:
        yield Finding(
            line, "warning", "network", "There is no network in the sandbox: nothing can be fetched."
        )
    elif path.startswith(("/", "~", "..")) and not path.startswith(FOLDERS):
        yield Finding(line, "warning", "path", "Only the declared tables are there: under $WEIR_DATA.")


def dotted(node: ast.AST) -> str:
    """The name of a plain chain such as os.path.join; "" for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    return f".{parts[0]}" if parts else ""


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _leaves(loop: ast.While) -> bool:
    return any(isinstance(node, ast.Break | ast.Return | ast.Raise) for node in ast.walk(loop))
