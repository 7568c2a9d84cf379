"""Places in CSV, JSON and plain text where a message can hide."""

from collections.abc import Callable

from tests.runner.gates.hiding import A, B, Case, Make, Place


def either(bit: bool, one: str, other: str) -> str:
    return one if bit else other


# Text of every kind

INVISIBLE = {
    "zero width": (0x200B, 0x200C),
    "joiners": (0x200D, 0x2060),
    "variation selectors": (0xFE00, 0xFE0F),
    "more variation selectors": (0xE0100, 0xE01EF),
    "tags": (0xE0041, 0xE0042),
    "directions": (0x202E, 0x2066),
    "marks of direction": (0x200E, 0x061C),
    "soft hyphens": (0xAD, 0x180E),
    "grapheme joiners": (0x34F, 0x17B4),
    "Hangul fillers": (0x3164, 0xFFA0),
    "more Hangul fillers": (0x115F, 0x1160),
    "Mongolian selectors": (0x180B, 0x180D),
    "patterns without dots": (0x2800, 0xFFFC),
    "private characters": (0xE000, 0xF8FF),
    "characters of no meaning": (0x378, 0x1FFFF),
    "controls": (0x01, 0x9F),
    "separators": (0x2028, 0x2029),
    "musical formats": (0x1D173, 0x1D159),
}
BLANKS = ((0xA0, 0x2003), (0x202F, 0x3000), (0x1680, 0x205F))


def plain(text: Callable[[bool], str]) -> Make:
    return lambda bit: text(bit).encode()


def between(one: str, other: str, around: str) -> Make:
    return plain(lambda bit: around.replace("*", one if bit else other))


def in_text(kind: str, around: str) -> list[Place]:
    """What holds for every type of text; `around` is a file with a star where the message goes."""
    spelled = [
        (f"invisible: {name}", kind, "shown", between(f"a{chr(one)}b", f"a{chr(other)}b", around))
        for name, (one, other) in INVISIBLE.items()
        if (kind, name) != ("json", "controls")  # not even JSON
    ]
    what = "shown" if kind == "json" else "gone"
    blanks = [
        (f"blanks {one:X}, {other:X}", kind, what, between(f"a{chr(one)}b", f"a{chr(other)}b", around))
        for one, other in BLANKS
    ]
    return [
        *spelled,
        *blanks,
        ("composed letters", kind, "gone", between("Am\u00e9lie", "Ame\u0301lie", around)),
        ("order of marks", kind, "gone", between("a\u0316\u0301", "a\u0301\u0316", around)),
        ("twins of a letter", kind, "gone", between("\u212b", "\u00c5", around)),
        ("stacks of marks", kind, "shown", between("a" + "\u0301" * 30, "a" + "\u0301" * 31, around)),
        ("letters of another alphabet", kind, "shown", between("mean", "me\u0430n", around)),
        ("letters of full width", kind, "shown", between("mean", "me\uff41n", around)),
    ]


LONG = "word " * 90_000

CSV: list[Case] = [
    ("quotes", "gone", between('"1"', "1", "a,b\n*,2\n")),
    ("line ends", "gone", plain(lambda bit: "a,b\n1,2\n".replace("\n", either(bit, "\r\n", "\n")))),
    ("line ends inside cells", "gone", plain(lambda bit: f'a,b\n"x{either(bit, chr(13) + chr(10), chr(10))}y",2\n')),
    ("a mark of byte order", "gone", between("\ufeff", "", "*a,b\n1,2\n")),
    ("blanks at the end of a cell", "gone", between("x ", "x  ", "a,b\n*,2\n")),
    ("blanks at the end of a line", "gone", between("2 ", "2", "a,b\n1,*\n")),
    ("blanks at the beginning of a cell", "gone", between(" x", "x", "a,b\n1,*\n")),
    ("blanks inside a cell", "gone", between("x y", "x  y", "a,b\n1,*\n")),
    ("blanks in quotes", "gone", between('"x "', '"x"', "a,b\n1,*\n")),
    ("tabs", "gone", between("x\ty", "x y", "a,b\n1,*\n")),
    ("blanks in a name", "gone", between("b ", "b", "a,*\n1,2\n")),
    ("empty lines at the end", "gone", between("\n\n\n", "", "a,b\n1,2\n*")),
    ("empty lines around a cell", "gone", between('"\nx"', '"x\n\n"', "a,b\n1,*\n")),
    ("spelling of numbers", "shown", between("1.5", "1.50", "a,b\n1,*\n")),
    ("many digits", "shown", between("0.1234567890123456789077", "0.1234567890123456789042", "a,b\n1,*\n")),
    ("nothing or its name", "shown", between("", "NA", "a,b\n1,*\n")),
    ("empty columns", "shown", between(",,", ",", "a,b*\n1,2*\n")),
    ("empty rows of one column", "shown", between('""\n""\n', '""\n', "a\n1\n*")),
    ("order of rows", "shown", between("1,2\n3,4", "3,4\n1,2", "a,b\n*\n")),
    ("columns beyond the first page", "shown", between("77", "42", f"{',' * 249}b\n{',' * 249}*\n")),
    ("rows beyond the first page", "shown", between("77", "42", "a,b\n" + "1,2\n" * 1100 + "*,2\n")),
    ("the end of a long cell", "shown", between(A, B, f"a,b\n{'x' * 20_000}*,2\n")),
    ("the end of a long name", "shown", between(A, B, f"a,{'x' * 20_000}*\n1,2\n")),
    ("the end of a long name far away", "shown", between(A, B, "a," * 150 + f"{'x' * 20_000}*\n" + "1," * 150 + "2\n")),
    ("formulas", "shown", between("=1+77", "=1+42", "a,b\n1,*\n")),
]  # fmt: skip

JSON: list[Case] = [
    ("blanks between words", "gone", between(" ", "\n\t", '{"a":*1}')),
    ("blanks at the end", "gone", between("\n\n", "", '{"a":1}*')),
    ("enough blanks to change the layout", "gone", between(" " * 300_000, "", '{"a":1}*')),
    ("escapes", "gone", between("\\u0041", "A", '{"a":"*"}')),
    ("escapes of strokes", "gone", between("\\/", "/", '{"a":"*"}')),
    ("escapes in keys", "gone", between("\\u0061", "a", '{"*":1}')),
    ("zeros of a number", "gone", between("1.50", "1.5", '{"a":*}')),
    ("powers", "gone", between("15e-1", "1.5", '{"a":*}')),
    ("digits that a number cannot hold", "gone", between("0.100000000000000005551", "0.1", '{"a":*}')),
    ("the sign of whole zero", "gone", between("-0", "0", '{"a":*}')),
    ("composed letters of a key", "gone", between("\u00e9", "e\\u0301", '{"*":1}')),
    ("the sign of zero", "shown", between("-0.0", "0.0", '{"a":*}')),
    ("whole or not", "shown", between("1.0", "1", '{"a":*}')),
    ("the last digits of a number", "shown", between("1.1234567890123457", "1.1234567890123455", '{"a":*}')),
    ("order of keys", "shown", between('"a":1,"b":2', '"b":2,"a":1', "{*}")),
    ("keys that are there twice", "refused", between('"a":77', '"a":42', '{"a":1,*}')),
    ("keys that look the same", "refused", between('"e\u0301":77', '"e\u0301":42', '{"\u00e9":1,*}')),
    ("a mark of byte order", "refused", between("77", "42", '\ufeff{"a":*}')),
    ("controls", "refused", between("\x01", "\x02", '{"a":"*"}')),
    ("escapes of controls", "shown", between("\\u0001", "\\u0002", '{"a":"*"}')),
    ("invisible escapes", "shown", between("\\u200b", "\\u200c", '{"a":"*"}')),
    ("blanks at the end of a text", "shown", between("x ", "x  ", '{"a":"*"}')),
    ("the end of a long text", "shown", between(A, B, f'{{"a":"{LONG}*"}}')),
    ("deep inside", "shown", between("77", "42", "[" * 20 + "*" + "]" * 20)),
    ("deeper than deep", "refused", between("77", "42", "[" * 21 + "*" + "]" * 21)),
    ("the end of a long list", "shown", between("77", "42", "[" + "1," * 90_000 + "*]")),
    ("empty lists or objects", "shown", between("[]", "{}", '{"a":*}')),
]  # fmt: skip

TEXT: list[Case] = [
    ("blanks at the end of a line", "gone", between("a ", "a", "*\nb\n")),
    ("blanks at the end", "gone", between("  ", "", "a*")),
    ("tabs", "gone", between("a\tb", "a       b", "*\n")),
    ("line ends", "gone", plain(lambda bit: "a\nb\n".replace("\n", either(bit, "\r\n", "\r")))),
    ("a mark of byte order", "gone", between("\ufeff", "", "*a\n")),
    ("the last line end", "gone", between("\n", "", "a*")),
    ("empty lines at the beginning", "gone", between("\n\n", "", "*a\n")),
    ("many empty lines", "gone", between("\n" * 5, "\n" * 7, "a*b\n")),
    ("empty lines with blanks", "gone", between("\n   \n", "\n\n", "a*b\n")),
    ("colours of a terminal", "gone", between("\x1b[31m", "\x1b[1m", "a*b\n")),
    ("titles of a terminal", "gone", between(f"\x1b]0;{A}\x07", f"\x1b]0;{B}\x07", "a*b\n")),
    ("blanks inside a line", "shown", between("a  b", "a   b", "*\n")),
    ("an empty line or none", "shown", between("\n\n", "\n", "a*b\n")),
    ("the end of a long text", "shown", between(A, B, f"{LONG}\n*")),
    ("the end of a very long line", "shown", between(A, B, "x" * 450_000 + "*")),
    ("blanks only", "refused", between(" ", "  ", "*\n")),
    ("remarks of markup", "shown", between(f"<!-- {A} -->", f"<!-- {B} -->", "a\n*\n")),
    ("links that are not followed", "shown", between(f"[a]: {A}", f"[a]: {B}", "a\n\n*\n")),
    ("words of pictures", "shown", between(f"![]({A})", f"![]({B})", "a\n\n*\n")),
    ("references", "shown", between("&#77;", "&#42;", "a *\n")),
    ("parts that are folded away", "shown", between(f"<details>{A}</details>", f"<details>{B}</details>", "a *\n")),
]  # fmt: skip
