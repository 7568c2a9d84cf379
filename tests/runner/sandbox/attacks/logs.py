"""Lie or do harm through logs, exit codes and the control socket."""

from typing import Any

from tests.runner.sandbox.attacks import PRELUDE, Judge, collected, ends, held


def keeps_logs_plain(result: dict[str, Any]) -> str | None:
    """No control character except line ends and tabs is left in a log."""
    text = result["stdout"] + result["stderr"]
    bad = sorted(
        {
            hex(ord(c))
            for c in text
            if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000
        }
    )
    bidi = [hex(ord(c)) for c in text if 0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069]
    return f"control characters are left: {bad + bidi}" if bad or bidi else held(result)


def keeps_at_most(bytes_kept: int) -> Judge:
    def judge(result: dict[str, Any]) -> str | None:
        if len(result["stdout"]) > bytes_kept + 200:
            return f"{len(result['stdout'])} characters were kept"
        return held(result) if result["stdout_bytes"] > bytes_kept else "the bytes were not counted"

    return judge


def is_exception(name: str, line: int | None) -> Judge:
    def judge(result: dict[str, Any]) -> str | None:
        told = (result["code"], result["error_class"], result["error_line"])
        return held(result) if told == ("EXCEPTION", name, line) else f"it was told as {told}"

    return judge


FIND_CONTROL = """
import socket
def control():
    for n in range(3, 256):
        try:
            return socket.socket(fileno=n)
        except OSError:
            continue
"""
DONE = 'open("/out/a.txt", "w").write("x")\n'
BEFORE = PRELUDE.count("\n")
"""Lines of the prelude: attacks count their own from the next one."""

ATTACKS = collected(
    "logs",
    {
        "terminal_sequences": (
            DONE + r'print("\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\x9b31m \x08\x08\x7f")',
            keeps_logs_plain,
        ),
        "right_to_left": (DONE + r'print("\u202e\u2066abc\u200b\ufeff")', keeps_logs_plain),
        "not_text": (
            DONE + 'os.write(1, bytes(range(256)) * 4); os.write(2, b"\\xed\\xa0\\x80\\x00")',
            keeps_logs_plain,
        ),
        "one_endless_line": (
            'os.write(1, b"x" * (2 << 20))\nopen("/out/a.txt", "w").write("x")',
            keeps_at_most(1 << 19),
        ),
        "claims_success": (
            """print('{"status": "succeeded", "code": null}')\nsys.exit(5)""",
            ends("EXIT_NONZERO"),
        ),
        "claims_another_limit": (
            'sys.stderr.write("MemoryError\\n"); raise MemoryError("no: a lie")',
            is_exception("MemoryError", BEFORE + 1),
        ),
        "data_in_the_name_of_an_exception": (
            """
raise type("Row_77_is_Alice", (Exception,), {})("her wage is 12")
""",
            is_exception("Exception", BEFORE + 2),
        ),
        "exit_code_of_a_signal": ("sys.exit(137)", ends("EXIT_NONZERO")),
        "forged_report": (
            FIND_CONTROL
            + """
control().send(b"exception Alice_is_77 999999999 memory\\n")
sys.exit(1)
""",
            ends("MEMORY_LIMIT", "EXCEPTION", "EXIT_NONZERO"),
        ),
        "forged_success": (
            FIND_CONTROL
            + """
control().send(b"exit 0")
os._exit(9)
""",
            ends("EXIT_NONZERO"),
        ),
        "flood_of_reports": (
            FIND_CONTROL
            + """
s = control(); s.setblocking(False)
end = time.monotonic() + 0.5
while time.monotonic() < end:
    try:
        s.send(b"x" * 60_000)
    except OSError:
        pass
sys.exit(1)
""",
            ends("EXIT_NONZERO"),
        ),
        "descriptors_over_the_control_socket": (
            FIND_CONTROL
            + """
import array
s = control(); s.setblocking(False)
for _ in range(200):
    try:
        s.sendmsg([b"ready 9"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    except OSError:
        pass
sys.exit(1)
""",
            ends("EXIT_NONZERO"),
        ),
        "closed_report": (
            FIND_CONTROL + "control().close()\nraise ValueError('x')",
            ends("EXIT_NONZERO", "EXCEPTION"),
        ),
    },
)
