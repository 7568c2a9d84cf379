"""The sandbox's entry point: confine this process, then run the submitted code in it.

Argument: the number of the control socket, which sends the folders' descriptors out and then one line on how the code
ended. Submitted code runs in this same process. Its exceptions, tracebacks and code objects are not trusted, but it can
still forge the whole line; so the host accepts only a closed vocabulary, and what the portal shows of it is counted.

Every run pays for every import here, so there are few: not even `typing`.
"""

from __future__ import annotations

import _socket
import builtins
import marshal
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from typing import Any

CODE = "/code.py"
WRITABLE = ["/out", "/tmp", "/dev/shm"]
ENVIRONMENT = "/environment"
EAGAIN = 11
BUILTIN = {id(value): name for name, value in vars(builtins).items() if isinstance(value, type)}
"""The built-in classes before any submitted code has run."""
TRACE = BaseException.__dict__["__traceback__"]
"""Reads the interpreter's own traceback, even if a class overrides `__traceback__`."""


def _load(name: str) -> dict[str, Any]:
    with open(name, "rb") as stream:
        loaded: dict[str, Any] = marshal.load(stream)
    return loaded


def _announce(control: _socket.socket, landlock: int) -> None:
    """Send the writable folders to the host, which reads them once no process is left that could change them."""
    folders = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in WRITABLE]
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(folders)}i", *folders))
    control.sendmsg([f"ready {landlock}".encode()], [rights])
    for folder in folders:
        os.close(folder)


def _beside(name: str) -> Any:
    """Import another of our files, which is possible once /weir is on the path."""
    return __import__(name)


def _confine(job: dict[str, Any], control: _socket.socket) -> None:
    """Apply every layer to this process. After the last one, it cannot send descriptors any more."""
    confine = _beside("confine")
    confine.close_others(int(sys.argv[1]))
    confine.limits(job["limits"])
    confine.seal()
    _announce(control, confine.landlock([*WRITABLE, *job["lent"]]))
    confine.seccomp(job["filter"])


def _space(folders: dict[str, int]) -> Callable[..., os.statvfs_result]:
    """Return a replacement for os.statvfs, which would reveal the host's disks: it reports folders as if empty."""

    def statvfs(path: Any) -> os.statvfs_result:
        name = os.path.abspath(os.fsdecode(path)) if not isinstance(path, int) else ""
        size = next((size for folder, size in folders.items() if f"{name}/".startswith(f"{folder}/")), 0)
        pages = size // 4096
        return os.statvfs_result((4096, 4096, pages, pages, pages, 0, 0, 0, 0, 255))

    return statvfs


def _exit_code(stopped: SystemExit) -> int:
    if stopped.code is None:
        return 0
    if isinstance(stopped.code, int):
        return stopped.code & 0xFF
    sys.stderr.write(f"{stopped.code}\n")
    return 1


class Place:
    """Finds the line of an error in the author's file, by the code objects that we compiled, never by names."""

    def __init__(self) -> None:
        self._own: dict[int, types.CodeType] = {}
        self.otherwise = 0
        """The line to report if an error passed through none of these."""

    def know(self, code: types.CodeType) -> None:
        self._own[id(code)] = code
        for constant in code.co_consts:
            if isinstance(constant, type(code)):
                self.know(constant)

    def first_line(self, function: object) -> int:
        code = self._own.get(id(getattr(function, "__code__", None)))
        return code.co_firstlineno if code is not None else 0

    def return_line(self, function: object) -> int:
        """Return the line on which a function returns, or its first line if there are several."""
        code = self._own.get(id(getattr(function, "__code__", None)))
        if code is None:
            return 0
        import opcode  # noqa: PLC0415

        ends = {opcode.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in opcode.opmap}
        lines = {self._line_at(code, at) for at in range(0, len(code.co_code), 2) if code.co_code[at] in ends}
        return lines.pop() if len(lines) == 1 else code.co_firstlineno

    def line(self, error: BaseException) -> int:
        """Return the last line of the author's code that this error passed through. Tracebacks and line numbers can be
        forged, so only the instruction within our code objects counts."""
        line, trace = self.otherwise, TRACE.__get__(error)
        while trace is not None:
            line = self._line_at(trace.tb_frame.f_code, trace.tb_lasti) or line
            trace = trace.tb_next
        return line

    def _line_at(self, code: types.CodeType, instruction: int) -> int:
        own = self._own.get(id(code))
        if own is None:
            return 0
        lines = (line for start, end, line in own.co_lines() if start <= instruction < end)
        return next(lines, 0) or 0


def _from_below(error: BaseException) -> bool:
    """Whether the interpreter or a library in C raised this, not a `raise` statement."""
    trace = TRACE.__get__(error)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return True
    at = trace.tb_lasti
    return bool(trace.tb_frame.f_code.co_code[at : at + 1] != _raise_code())


def _raise_code() -> bytes:
    import opcode  # noqa: PLC0415

    return bytes([opcode.opmap["RAISE_VARARGS"]])


def _shortage(error: BaseException) -> str:
    """Return what ran out if that caused the error: memory, disk or processes."""
    if not _from_below(error):
        return ""
    if isinstance(error, MemoryError):
        return "memory"
    number = error.errno if isinstance(error, OSError) else None
    if number == EAGAIN or isinstance(error, RuntimeError):
        return "processes" if _is_crowded() else ""
    return {12: "memory", 28: "disk", 122: "disk", 27: "disk"}.get(number or 0, "")


def _is_crowded() -> bool:
    """Whether no further process can be started now: the error may also have another cause."""
    try:
        child = os.fork()
    except OSError as refused:
        return refused.errno == EAGAIN
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False


def _class_name(error: BaseException) -> str:
    return BUILTIN.get(id(type(error)), "Exception")


def _describe(error: BaseException, place: Place) -> str:
    return f"exception {_class_name(error)} {place.line(error)} {_shortage(error)}"


def _print(error: BaseException) -> None:
    """Print the traceback as Python does, or one line if there is not enough memory for that."""
    try:
        _print_traceback(error)
    except BaseException:  # noqa: BLE001
        os.write(2, f"{type(error).__name__}: its traceback could not be printed.\n".encode())


def _print_traceback(error: BaseException) -> None:
    """Print the traceback without the frames of this file."""
    import traceback  # noqa: PLC0415

    shown = traceback.TracebackException.from_exception(error, compact=True)
    while shown.stack and shown.stack[0].filename.startswith("/weir/"):
        del shown.stack[0]
    sys.stderr.write("".join(shown.format()))


def _namespace(code: types.CodeType) -> types.ModuleType:
    """Return the module for the submitted code: __main__, unless it defines `main`, which we then call."""
    defined = [getattr(constant, "co_name", "") for constant in code.co_consts]
    name = "request" if "main" in defined else "__main__"
    module = type(sys)(name)
    module.__file__ = CODE
    sys.modules[name] = module
    return module


def _compiled(place: Place) -> types.CodeType:
    """Compile the submitted code. Only here, before any of it has run, can a SyntaxError's own line be trusted."""
    with open(CODE, "rb") as stream:
        source = stream.read()
    try:
        code = compile(source, CODE, "exec", dont_inherit=True)
    except SyntaxError as error:
        place.otherwise = error.lineno or 0
        raise
    place.know(code)
    return code


def _call(main: Callable[..., object], job: dict[str, Any], place: Place) -> None:
    arguments, answers = _beside("arguments"), _beside("answers")
    place.otherwise = place.first_line(main)
    given = arguments.collect(main, job)
    place.otherwise = 0
    answer = main(**given)
    place.otherwise = place.return_line(main)
    try:
        answers.write(answer, "/out")
    except Exception as error:
        note = f"What main() returned on line {place.otherwise} could not be written."
        BaseException.add_note(error, note)
        raise


def _execute(job: dict[str, Any], place: Place) -> None:
    code = _compiled(place)
    module = _namespace(code)
    exec(code, module.__dict__)  # noqa: S102
    main = module.__dict__.get("main")
    if callable(main):
        _call(main, job, place)


def run(job: dict[str, Any]) -> tuple[int, str]:
    """Run the submitted code. Returns the exit code and the line for the host."""
    place = Place()
    try:
        _execute(job, place)
        sys.stdout.flush()
    except SystemExit as stopped:
        code = _exit_code(stopped)
        return code, f"exit {code}"
    except BaseException as error:  # noqa: BLE001
        line = _describe(error, place)
        _print(error)
        return 1, line
    return 0, "exit 0"


def main() -> None:
    job = _load("/weir/job")
    control = _socket.socket(fileno=int(sys.argv[1]))
    sys.path[:0] = ["/weir"]
    _confine(job, control)
    own = [path for path in sys.path if path.startswith("/python/lib") and not path.endswith("site-packages")]
    sys.path[:] = [*own, ENVIRONMENT, "/weir"]
    sys.argv[:] = [CODE]
    os.environ["WEIR_PARAMETERS"] = job["parameters_json"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    os.statvfs = os.fstatvfs = _space(job["folders"])
    process = os.getpid()
    code, line = run(job)
    if os.getpid() == process:  # not a forked child that returned here
        control.send(line.encode())
    raise SystemExit(code)


main()
