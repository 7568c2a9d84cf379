"""Hints on lines of code that its author and its reviewers should look at. The code is parsed, never run.

They are hints, not a defence: the sandbox limits what code can do, and people decide what leaves it.
"""

import ast
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from requests_app.code.highlight import TOKEN
from requests_app.code.schema_findings import Schema, about_schema
from runner.imports import imports_among, is_available
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
        ("warning", "network", "The sandbox has no network, so this import is of no use."),
    ),
    **dict.fromkeys(
        ("subprocess", "pty", "pexpect", "sh"),
        ("warning", "subprocess", "Other programs cannot be started in the sandbox."),
    ),
    **dict.fromkeys(
        ("ctypes", "cffi", "mmap", "_ctypes"),
        ("warning", "native", "This bypasses Python, so a reader of the code cannot tell what it does."),
    ),
    **dict.fromkeys(
        ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"),
        ("warning", "pickle", "Pickles run code when they are opened, and are never accepted as outputs."),
    ),
    **dict.fromkeys(
        ("importlib", "imp", "runpy", "code", "codeop", "builtins", "gc", "inspect"),
        ("warning", "dynamic", "This can run or reach code that is not shown here."),
    ),
    **dict.fromkeys(
        ("base64", "zlib", "binascii", "codecs", "lzma", "bz2", "gzip", "zipfile", "tarfile"),
        ("info", "encoding", "Encoded or compressed values cannot be judged by looking at the output."),
    ),
    **dict.fromkeys(
        ("multiprocessing", "concurrent", "threading"),
        ("info", "parallel", "The sandbox limits the number of processes and threads."),
    ),
}
CALLS: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        ("eval", "exec", "compile", "__import__"),
        ("warning", "dynamic", "This runs code that is not shown here."),
    ),
    **dict.fromkeys(
        ("os.system", "os.popen", "os.fork", "os.execv", "os.execve", "os.spawnv", "os.posix_spawn"),
        ("warning", "subprocess", "Other programs cannot be started in the sandbox."),
    ),
    **dict.fromkeys(
        ("globals", "locals", "vars", "getattr", "setattr"),
        ("info", "dynamic", "Names built at run time are hard for a reader to follow."),
    ),
}
READERS = frozenset(
    {"open", "read_csv", "read_parquet", "read_json", "read_table", "read_pickle", "loadtxt", "load"}
)
FORBIDDEN_TYPES: dict[str, str] = {
    **dict.fromkeys(
        ("to_pickle", "dump_pickle", "dill", "read_pickle"), "Pickles are never accepted as outputs."
    ),
    **dict.fromkeys(("to_html", "to_xml"), "HTML and XML are never accepted as outputs; write CSV or JSON."),
    **dict.fromkeys(
        ("to_excel", "to_stata", "to_hdf", "savez"), "This type is never accepted as an output; write CSV."
    ),
}
FORMATTED = re.compile(r"[rR]?[fF]")
WORD = re.compile(r"[^\W\d]\w*")
FOLDERS = ("/data", "/out", "/tmp")  # noqa: S108 the sandbox's own


@dataclass(frozen=True, slots=True)
class Finding:
    """One hint: its line, level (error, warning or info), stable code and text."""

    line: int
    level: str
    code: str
    text: str


def find(
    code: str,
    tables: Mapping[str, Sequence[str]],
    parameters: Collection[str] | None = None,
    packages: Collection[str] = (),
) -> list[Finding]:
    """Return hints on the code, sorted by line, at most MAX_FINDINGS. `parameters` are the declared ones, if known, and
    `packages` are the names that can be imported beside Python's own, if known."""
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
        text = "The code is too dense to be analysed: there are no hints on its lines."
        return [*deceptions, Finding(1, "warning", "size", text)]
    if _depth(tree) > MAX_NESTING:
        return [
            *deceptions,
            Finding(1, "error", "nesting", f"The code is nested more than {MAX_NESTING} levels deep."),
        ]
    found = {*deceptions, *_everywhere(nodes)}
    if packages:
        found |= set(_missing_packages(nodes, frozenset(packages)))
    schema = Schema(tables, None if parameters is None else frozenset(parameters))
    found |= {Finding(*parts) for parts in about_schema(tree, nodes, schema)}
    return sorted(found, key=lambda finding: (finding.line, finding.code, finding.text))[:MAX_FINDINGS]


def _depth(tree: ast.AST) -> int:
    """Return how many levels the tree has, counted without recursion."""
    level, depth = [tree], 0
    while level and depth <= MAX_NESTING:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _deceptions(code: str) -> Iterator[Finding]:
    """Flag characters that make code look different from what it is."""
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
    """Flag names that Python reads as others: it normalises letters (NFKC), full-width ones to ordinary ones."""
    for start, word in _names(code):
        name = unicodedata.normalize("NFKC", word)
        if name != word:
            text = f"Python reads the name {word!r} as {name!r}. Both are the same name."
            yield Finding(code.count("\n", 0, start) + 1, "warning", "twin", text)


def _names(code: str) -> Iterator[tuple[int, str]]:
    """Yield the names that are not plain ASCII, with their positions, including those inside f-strings."""
    for token in TOKEN.finditer(code):
        text = token.group()
        if text.isascii():
            continue
        if token.lastgroup == "n":
            yield token.start(), text
        elif token.lastgroup == "s" and FORMATTED.match(text):
            yield from ((token.start() + word.start(), word.group()) for word in WORD.finditer(text))


def _everywhere(nodes: Sequence[ast.AST]) -> Iterator[Finding]:
    """Yield the hints that a single node gives."""
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
            text = f"{node.attr} reaches into Python's internals."
            yield Finding(node.lineno, "warning", "internals", text)
        elif isinstance(node, ast.While) and _is_true(node.test) and not _leaves(node):
            yield Finding(
                node.lineno,
                "info",
                "endless",
                "This loop never ends by itself: it runs until the time limit.",
            )
        elif isinstance(node, ast.Name) and not node.id.isascii():
            name = unicodedata.normalize("NFKC", node.id)
            yield Finding(
                node.lineno,
                "info",
                "letters",
                f"The name {name!r} contains letters that may look like others.",
            )


def _root(module: str) -> str:
    return module.partition(".")[0]


def _imported(line: int, module: str) -> Finding:
    level, code, text = MODULES[_root(module)]
    return Finding(line, level, code, f"{module}: {text}")


def _missing_packages(nodes: Sequence[ast.AST], packages: frozenset[str]) -> Iterator[Finding]:
    """Flag imports that must fail."""
    for found in imports_among(nodes):
        if not (is_available(found.package, packages) or found.package in MODULES):
            text = f"The code environment has no package {found.package}. Choose another environment, or ask an admin."
            yield Finding(found.line, "error", "package", text)


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
        yield Finding(line, "warning", "network", "The sandbox has no network: nothing can be downloaded.")
    elif path.startswith(("/", "~", "..")) and not path.startswith(FOLDERS):
        yield Finding(line, "warning", "path", "Only the declared tables are available, under $WEIR_DATA.")


def dotted(node: ast.AST) -> str:
    """Return the name of a plain chain such as os.path.join; "" for anything else."""
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
