"""Hostile submissions: what they try, and how they must end.

An attack that succeeds prints BREACHED, through `breach(evidence)` of the prelude. The same code runs in the
positive control without our layers, where that word must appear.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PRELUDE = """
import ctypes, errno, json, os, signal, struct, sys, time
TARGET = json.loads(os.environ["WEIR_PARAMETERS"])
LIBC = ctypes.CDLL(None, use_errno=True)
REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)

def breach(evidence):
    if evidence:
        print("BREACHED", repr(evidence)[:200], flush=True)

def number(x86, arm):
    return x86 if os.uname().machine == "x86_64" else arm

def call(number, *arguments):
    ctypes.set_errno(0)
    result = LIBC.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return result, ctypes.get_errno()

def reached(number, *arguments):
    # The kernel itself answered, and not with a refusal.
    result, code = call(number, *arguments)
    return None if result == -1 and code in REFUSED else (result, errno.errorcode.get(code))

def quietly(step):
    try:
        return step()
    except (OSError, ValueError, PermissionError, ImportError) as bad:
        print("held:", type(bad).__name__, flush=True)
        return None
"""

Judge = Callable[[dict[str, Any]], str | None]
"""What is wrong with a result; None when the attack was held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One hostile submission. `unseen` says why the positive control cannot see it, if it cannot."""

    name: str
    group: str
    code: str
    judge: Judge
    limits: dict[str, float]
    unseen: str = ""

    @property
    def source(self) -> str:
        return PRELUDE + self.code


def held(result: dict[str, Any]) -> str | None:
    """Nothing was breached, however the run ended."""
    return "it got through: " + result["stdout"][:300] if "BREACHED" in result["stdout"] else None


def ends(*codes: str) -> Judge:
    """The run fails with one of these codes, and promptly."""

    def judge(result: dict[str, Any]) -> str | None:
        if result["code"] not in codes:
            return f"it ended as {result['status']} {result['code']}, not {' or '.join(codes)}"
        return held(result)

    return judge


def lets_out(*names: str) -> Judge:
    """Exactly these files are accepted."""

    def judge(result: dict[str, Any]) -> str | None:
        came = tuple(file["name"] for file in result["outputs"])
        return held(result) if came == names else f"{came} came out, not {names}"

    return judge


def refuses(name: str) -> Judge:
    """This file is refused with a reason, and nothing else is lost."""

    def judge(result: dict[str, Any]) -> str | None:
        if name in [file["name"] for file in result["outputs"]]:
            return f"{name} came out"
        if not any(file["reason"] for file in result["refused"]):
            return "no reason was given"
        return held(result)

    return judge


def collected(group: str, entries: dict[str, tuple[Any, ...]]) -> list[Attack]:
    """Build attacks from a table: name -> (code, [judge], [limits], [unseen])."""
    found = []
    for name, (code, *rest) in entries.items():
        judge = next((item for item in rest if callable(item)), held)
        limits = next((item for item in rest if isinstance(item, dict)), {})
        unseen = next((item for item in rest if isinstance(item, str)), "")
        found.append(Attack(name=name, group=group, code=code, judge=judge, limits=limits, unseen=unseen))
    return found
