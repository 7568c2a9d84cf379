"""Reduce text to what a reader sees, with one list of deceptive characters for code, logs and outputs.

Also shipped into the decoding sandbox, where nothing else of this project exists: standard library only.
"""

import re
import unicodedata
from collections.abc import Callable

FILLERS = frozenset(
    map(
        chr,
        (
            0x034F,  # grapheme joiner
            *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers
            *(0x17B4, 0x17B5),  # Khmer vowels without a sign
            *range(0x180B, 0x1810),  # Mongolian selectors
            *(0x2800, 0x1D159),  # a braille pattern without dots, a note without a head
            *(0x2D7F, 0x1107F, 0x16FE4),  # joiners and fillers of Tifinagh, Brahmi and Khitan
            0xFFFC,  # stands for an object that is not there
            *range(0xFE00, 0xFE10),  # variation selectors
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Characters in visible Unicode categories that draw nothing."""
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are not visible: control, format, surrogate, private, unassigned, separators."""
ASCII_CONTROL = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
MOST_MARKS = 4
"""Combining marks that one letter may carry. No writing system needs more, and higher stacks cover other lines."""
BLANKS = re.compile(" {2,}")
GAPS = re.compile("\n{4,}")
FORMULA = re.compile(r"\s*(?:[=+\-@\uff1d\uff0b\uff0d\uff20].|[\t\r\n])", re.DOTALL)
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?%?|[+-](?:inf|nan)", re.IGNORECASE)
SPELLED = re.compile("\u27e8U\\+[0-9A-F]{4,6}\u27e9")
WORD = re.compile(r"[^\W\d_]+")


def is_blank(character: str) -> bool:
    """Whether the character looks like a space but is another one."""
    return character != " " and unicodedata.category(character) == "Zs"


def is_hidden(character: str) -> bool:
    """Whether a reader cannot see this character for what it is. Tabs and line ends are left to the caller."""
    return character not in "\t\n\r" and (
        unicodedata.category(character) in UNSEEN or character in FILLERS or is_blank(character)
    )


def hidden(text: str) -> set[str]:
    """Return the deceptive characters of a text: invisible ones, those that reverse its order, unusual spaces."""
    if text.isascii() and len(text.encode().translate(None, ASCII_CONTROL)) == len(text):
        return set()
    return {character for character in set(text) if is_hidden(character)}


def replaced(text: str, mark: Callable[[str], str]) -> str:
    """Return the text with each deceptive character replaced by `mark(character)`."""
    found = hidden(text)
    return text.translate({ord(character): mark(character) for character in found}) if found else text


def spelled(character: str) -> str:
    """Spell out a deceptive character for readers of an output, as ⟨U+200B⟩. An unusual space becomes a space."""
    return " " if is_blank(character) else f"\u27e8U+{ord(character):04X}\u27e9"


def readable(text: str) -> str:
    """Return the text with one spelling for what looks the same (line ends, spaces, letters with marks) and with
    invisible characters spelled out."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = replaced(text, spelled)
    return text if text.isascii() else composed(text)


def composed(text: str) -> str:
    """Return the text in Unicode form NFC, without stacks of combining marks."""
    lower = _without_stacks(text)  # first: normalising long runs of marks is very slow
    if unicodedata.is_normalized("NFC", lower):
        return lower
    return _without_stacks(unicodedata.normalize("NFC", lower))


def _without_stacks(text: str) -> str:
    """Spell out each combining mark beyond the fourth on a letter."""
    marks = [character for character in set(text) if unicodedata.category(character) in ("Mn", "Me")]
    if not marks:
        return text
    one = f"[{re.escape(''.join(marks))}]"
    names = {ord(mark): spelled(mark) for mark in marks}
    return re.sub(f"(?<={one * MOST_MARKS}){one}+", lambda run: run.group().translate(names), text)


def page(text: str) -> str:
    """Return a text file's text as it may leave the sandbox: `readable`, without terminal sequences, tabs expanded, no
    trailing spaces, at most two empty lines in a row, one line end at the end. Empty if nothing is visible."""
    text = readable(ANSI.sub("", text) if "\x1b" in text else text)
    if "\t" in text:
        text = text.expandtabs()
    if " \n" in text or text.endswith(" "):
        text = "\n".join([line.rstrip(" ") for line in text.split("\n")])
    if "\n\n\n\n" in text:
        text = GAPS.sub("\n\n\n", text)
    text = text.strip("\n")
    return f"{text}\n" if text else ""


def cell(text: str) -> str:
    """Return a cell or column name as it may leave the sandbox: `readable`, stripped, with single spaces inside."""
    return tidy(readable(text))


def tidy(text: str) -> str:
    """Strip the lines of a readable text and collapse spaces."""
    if "\t" in text:
        text = text.replace("\t", " ")
    if "\n" in text:
        lines = (BLANKS.sub(" ", line).strip(" ") for line in text.split("\n"))
        return GAPS.sub("\n\n\n", "\n".join(lines)).strip("\n")
    return BLANKS.sub(" ", text.strip(" "))


def has_loose_blanks(text: str) -> bool:
    """Whether a cell of this CSV may contain spaces or empty lines that a reader cannot see."""
    if "\t" in text or '"\n' in text or '\n"' in text or "\n\n" in text:
        return True
    return " " in text and any(pair in f"\n{text}\n" for pair in LOOSE)


LOOSE = ("  ", ", ", " ,", "\n ", " \n", '" ', ' "')


# Formulas


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would evaluate this cell instead of showing it."""
    return FORMULA.match(text) is not None and NUMBER.fullmatch(text.strip()) is None


def neutralised(text: str) -> str:
    """Return the cell with an apostrophe in front if a spreadsheet would evaluate it."""
    return "'" + text if is_formula(text) else text


def was_formula(text: str) -> bool:
    """Whether this cell got its apostrophe from `neutralised`."""
    return text.startswith("'") and is_formula(text[1:])


# Letters that look like others

LOOK_ALIKES = (
    frozenset(
        "АВЕЅІЈКМНОРСТУХаеорсухѕіјһԁԛԝԌԚԜүӏ"
        "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"  # noqa: RUF001 Greek
        "օոսհցզՍՕ"  # Armenian  # noqa: RUF001
        "ᎪᎫᎬᎳᎷᎻᎽᏀᏂᏃᏎᏒᏔᏙᏚᏞᏟᏢᏦᏭᏴ"  # Cherokee
        "ϲϳϹᴄᴏꜱᴠᴡᴢ"  # lunate sigma, yot, small capitals  # noqa: RUF001
        "ⲞⲟⲤⲥⲢⲣ"  # Coptic  # noqa: RUF001
        "ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ"  # Lisu  # noqa: RUF001
        "ɑɡɩʋƖ"
    )
    | {
        letter
        for first, last in (
            (0x132, 0x1F3),
            (0x2102, 0x2149),
            (0xFB00, 0xFB06),
            (0xFF21, 0xFF5A),
            (0x1D400, 0x1D6A3),
        )
        for letter in map(chr, range(first, last + 1))
        if unicodedata.decomposition(letter)[:6] in ("<compa", "<font>", "<wide>")
        and (plain := unicodedata.normalize("NFKC", letter)).isascii()
        and plain.isalpha()
    }
)
"""Characters that look like letters from A to Z: from other alphabets, styled, or ligatures."""
SAME_SIGNS = frozenset(
    map(
        chr,
        (
            *(0x2010, 0x2011, 0x2012, 0x2043, 0x2D7, 0x6D4),  # -
            *(0x2024, 0xA4F8, 0x701, 0x702),  # .
            *(0x2236, 0xA789, 0x2D0, 0x589, 0x5C3, 0xA4FD, 0xFE55, 0x703, 0x704),  # :
            *(0x2215, 0x2044, 0x29F8, 0x2571),  # /
            *(0x201A, 0x66B, 0xA4F9),  # ,
            *(0x1C3, 0x2D51, 0xFE57),  # !
            *(0x1C0, 0x2223, 0x5C0, 0x2758, 0x2D4F),  # |
            *(0x2BC, 0x2BB, 0x2B9, 0x2BD, 0x2C8, 0xA78C, 0x55A, 0x5F3),  # apostrophes
            *(0x2219, 0x22C5, 0x2027, 0x16EB, 0xA78F),  # middle dots
            *(0x223C, 0x2DC, 0x204E, 0x2217, 0x2216, 0x29F5, 0x29F9),  # ~ * and the other slash
        ),
    )
)
"""Signs that look like an ASCII sign or a middle dot. Common dashes, quotes and minus signs are not in it."""
DOTTED = ("i\u0307", "j\u0307")
"""A combining dot above replaces the letter's own dot, so it cannot be seen."""
MOST_WORDS = 2_000_000


def look_alikes(text: str, most: int = 5) -> list[str]:
    """Return up to `most` look-alikes of a text: first signs with their code points, then words with letters that look
    like other letters, either mixed with plain ones or in a text without any other letter of that alphabet."""
    if text.isascii():
        return []
    signs = [f"{sign} (U+{ord(sign):04X})" for sign in sorted(SAME_SIGNS.intersection(text))]
    signs += [pair for pair in DOTTED if pair in text]
    return (signs + _deceptive_words(text, most))[:most]


def _deceptive_words(text: str, most: int) -> list[str]:
    doubtful = LOOK_ALIKES.intersection(text)
    if not doubtful:
        return []
    own = {
        _alphabet(letter) for letter in set(text) - LOOK_ALIKES if not letter.isascii() and letter.isalpha()
    }
    found: dict[str, None] = {}
    for count, match in enumerate(WORD.finditer(text)):
        if len(found) == most or count == MOST_WORDS:
            break
        word = match.group()
        if not word.isascii() and _deceives(word, doubtful, own):
            found[word[:40]] = None
    return list(found)


def _deceives(word: str, doubtful: frozenset[str], own: set[str]) -> bool:
    strange = doubtful.intersection(word)
    if not strange:
        return False
    rest = set(word) - strange
    if any(letter.isascii() for letter in rest):
        return True
    return not rest and own.isdisjoint(map(_alphabet, strange))


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
