"""Smuggle out what must not leave the sandbox, or break the code that collects outputs."""

from typing import Any

from tests.runner.sandbox.attacks import collected, ends, held, lets_out, refuses

GOOD = 'open("/out/good.txt", "w").write("fine")\n'


def without_formula(result: dict[str, Any]) -> str | None:
    """The table is accepted, with its formula cells neutralised."""
    text = result["contents"].get("table.csv", "")
    return (
        held(result)
        if not any(cell.startswith("=") for cell in text.split(","))
        else f"a formula came out: {text}"
    )


def nothing_hidden(result: dict[str, Any]) -> str | None:
    """What was appended to the picture or the table is removed."""
    if not result["outputs"]:
        return f"nothing came out: {result['refused']}"
    found = [name for name, text in result["contents"].items() if "HIDDEN77" in text]
    return held(result) if not found else f"hidden text came out in {found}"


ATTACKS = collected(
    "outputs",
    {
        "link_to_canary": (GOOD + 'os.symlink(TARGET["canary"], "/out/link.txt")', lets_out("good.txt")),
        "link_to_root": (GOOD + 'os.symlink("/", "/out/root.txt")', lets_out("good.txt")),
        "link_in_place_of_folder": (
            'os.symlink("/proc/self/environ", "/out/environment.txt")',
            ends("OUTPUT_TYPE"),
        ),
        "hard_links": (GOOD + 'os.link("/out/good.txt", "/out/same.txt")', ends("OUTPUT_TYPE")),
        "pipe": (
            GOOD + 'breach(quietly(lambda: os.mkfifo("/out/pipe.txt") or True))',
            lets_out("good.txt"),
        ),
        "socket": (
            GOOD + 'import socket\nquietly(lambda: socket.socket(socket.AF_UNIX).bind("/out/socket.txt"))',
            lets_out("good.txt"),
        ),
        "folders_three_thousand_deep": (
            GOOD + 'for _ in range(3000):\n    os.mkdir("d"); os.chdir("d")',
            lets_out("good.txt"),
        ),
        "ten_thousand_names": (
            'for n in range(12_000): os.close(os.open(f"/out/{n:06}.txt", os.O_CREAT | os.O_WRONLY))',
            ends("OUTPUT_TYPE", "OUTPUT_TOO_BIG"),
        ),
        "more_files_than_allowed": (
            'for n in range(12): open(f"/out/{n:02}.txt", "w").write("x")',
            lets_out(*(f"{n:02}.txt" for n in range(8))),
        ),
        "names_that_lie": (
            GOOD
            + """
names = ".hidden.txt", "a b.txt", "a\\nb.txt", "a\\u202etxt.exe", "..txt", "-rf.txt", "x" * 200 + ".txt", b"\\xff.txt"
for name in names:
    open(os.path.join(b"/out", name if isinstance(name, bytes) else name.encode()), "w").write("x")
""",
            lets_out("good.txt"),
        ),
        "unreadable": (
            GOOD + 'open("/out/no.txt", "w").write("x"); os.chmod("/out/no.txt", 0)',
            held,
        ),
        "unreadable_folder": (GOOD + 'os.chmod("/out", 0)', held),
        "set_user_id": (
            GOOD + 'open("/out/run.txt", "w").write("x"); os.chmod("/out/run.txt", 0o6755)',
            held,
        ),
        "hole_within_the_limit": (
            GOOD + 'open("/out/hole.txt", "wb").truncate(3 << 20)',
            refuses("hole.txt"),
        ),
        "pickle": (
            GOOD + 'import pickle; pickle.dump([1], open("/out/model.pkl", "wb"))',
            refuses("model.pkl"),
        ),
        "pickle_called_text": (
            GOOD + 'import pickle; pickle.dump([1], open("/out/model.txt", "wb"))',
            refuses("model.txt"),
        ),
        "page_called_text": (
            GOOD + 'open("/out/page.txt", "w").write("<html><script>alert(1)</script>")',
            refuses("page.txt"),
        ),
        "drawing_with_script": (
            GOOD + 'open("/out/x.svg", "w").write("<svg onload=alert(1)>")',
            refuses("x.svg"),
        ),
        "program_called_picture": (
            GOOD + 'open("/out/x.png", "wb").write(b"\\x7fELF" + bytes(100))',
            refuses("x.png"),
        ),
        "archive_called_json": (
            GOOD + 'import zipfile; zipfile.ZipFile("/out/x.json", "w").writestr("a", "b")',
            refuses("x.json"),
        ),
        "json_without_bottom": (GOOD + 'open("/out/x.json", "w").write("[" * 100_000)', refuses("x.json")),
        "json_not_a_number": (GOOD + 'open("/out/x.json", "w").write("[1e999]")', refuses("x.json")),
        "json_giant_integer": (GOOD + 'open("/out/x.json", "w").write("1" * 100_000)', refuses("x.json")),
        "json_twice_the_same_key": (
            GOOD + "open('/out/x.json', 'w').write('{\"a\":1,\"a\":2}')",
            refuses("x.json"),
        ),
        "formula_cells": (
            GOOD + 'open("/out/table.csv", "w").write("a,b\\n=1+1,2\\n")',
            without_formula,
        ),
        "cut_off_picture": (
            GOOD + 'open("/out/x.png", "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + bytes(64))',
            refuses("x.png"),
        ),
        "words_hidden_in_a_picture": (
            """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open("/out/x.png", "wb").write(
    b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + chunk(b"tEXt", b"Comment\\0HIDDEN77") + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")
)
""",
            nothing_hidden,
        ),
        "words_hidden_in_a_table": (
            """
import pyarrow, pyarrow.parquet
table = pyarrow.table({"a": [1]}).replace_schema_metadata({"note": "HIDDEN77"})
pyarrow.parquet.write_table(table, "/out/x.parquet")
""",
            nothing_hidden,
        ),
        "broken_table": (
            GOOD + 'open("/out/x.parquet", "wb").write(b"PAR1" + bytes(64) + b"PAR1")',
            refuses("x.parquet"),
        ),
        "too_big_a_file": (
            GOOD + 'open("/out/big.txt", "w").write("x" * (3 << 20))',
            refuses("big.txt"),
        ),
        "write_after_the_end": (
            GOOD
            + """
if os.fork() == 0:
    os.setsid()
    while True:
        try:
            os.replace("/out/next.txt", "/out/good.txt")
        except OSError:
            pass
        open("/out/next.txt", "w").write("changed")
""",
            held,
        ),
        "exchange_the_folder": (
            GOOD + 'breach(quietly(lambda: os.rename("/out", "/tmp/out") or True))',
            lets_out("good.txt"),
        ),
        "name_is_a_folder": (GOOD + 'os.mkdir("/out/folder.txt")', lets_out("good.txt")),
    },
)
