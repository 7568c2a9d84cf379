"""Every place of the product that starts a program or runs code that it was not shipped with, by reading its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

MODULES = {
    "subprocess": {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "os": {
        "system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile",
        *(f"exec{kind}" for kind in ("v", "ve", "vp", "vpe", "l", "le", "lp", "lpe")),
        *(f"spawn{kind}" for kind in ("v", "ve", "vp", "vpe", "l", "le", "lp", "lpe")),
    },
    "pty": {"fork", "spawn"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "concurrent.futures": {"ProcessPoolExecutor"},
    "multiprocessing": set(),
    "billiard": set(),
    "pexpect": set(),
    "venv": set(),
    "ensurepip": set(),
    "site": {"addsitedir", "addsitepackages", "addusersitepackages", "main"},
    "runpy": {"run_module", "run_path"},
    "code": {"interact", "InteractiveInterpreter", "InteractiveConsole"},
    "importlib.machinery": {"SourceFileLoader", "ExtensionFileLoader", "SourcelessFileLoader"},
    "importlib.util": {"spec_from_file_location"},
    "importlib": {"reload"},
    "_posixsubprocess": set(),
    "posix": {"fork", "execv", "execve", "system", "posix_spawn"},
}  # fmt: skip
"""What starts something, by module; of a module with no names, everything."""
BUILT_IN = {"exec", "eval", "__import__"}
KERNEL = {"syscall", "unshare", "clone", "clone3", "fork", "vfork", "execve", "posix_spawn", "system"}
"""Functions of the C library, called on a library that ctypes has opened."""
LIBRARIES = {"LIBC", "libc", "_libc"}
SHELLS = {"create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell"}


def in_file(path: Path) -> set[str]:
    """ "function: what it starts", for each place in a file."""
    return set(_Reader(ast.parse(path.read_text(encoding="utf-8"))).found())


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.modules: dict[str, str] = {}
        self.names: dict[str, str] = {}
        for node in ast.walk(tree):
            self._import(node)

    def _import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for name in node.names:
                self.modules[name.asname or name.name] = name.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                known = whole in MODULES or any(module.startswith(f"{whole}.") for module in MODULES)
                (self.modules if known else self.names)[name.asname or name.name] = whole

    def found(self) -> Iterator[str]:
        yield from self._below(self.tree, "")

    def _below(self, node: ast.AST, where: str) -> Iterator[str]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self._at(child, where)

    def _at(self, node: ast.AST, where: str) -> Iterator[str]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            where = f"{where}.{node.name}".lstrip(".")
        what = self._started(node)
        if what:
            yield f"{where or '<module>'}: {what}"
        yield from self._below(node, where)

    def _started(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        return ""

    def _named(self, name: str) -> str:
        if name in BUILT_IN and name not in self.names:
            return name
        module, _, last = self.names.get(name, "").rpartition(".")
        return _judged(module, last)

    def _attribute(self, node: ast.Attribute) -> str:
        owner = _text(node.value)
        head, _, rest = owner.partition(".")
        whole = self.modules.get(owner) or ".".join(filter(None, (self.modules.get(head, ""), rest)))
        if what := _judged(whole, node.attr):
            return what
        library = owner.removesuffix("()").rpartition(".")[2] in LIBRARIES or "CDLL" in owner
        if node.attr in SHELLS or (library and node.attr in KERNEL):
            return f"{owner}.{node.attr}"
        return ""


def _text(node: ast.AST) -> str:
    """`ast.unparse`, but quick for what nearly all are: names, and attributes of names."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            return f"{_text(owner)}.{name}"
        case _:
            return ast.unparse(node)


def _judged(module: str, name: str) -> str:
    """The full name when it starts something."""
    if module in MODULES and (not MODULES[module] or name in MODULES[module]):
        return f"{module}.{name}"
    top = module.partition(".")[0]
    return f"{module}.{name}" if top in MODULES and not MODULES[top] else ""
