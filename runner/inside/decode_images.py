"""Decode a PNG and encode its pixels again, in a sandbox without any data.

The first argument says what to do: `rewrite`, `show` (a part, or the whole scaled down), `contrast` (the same, with the
smallest differences of colour amplified) or `facts`. The second is the part, from 1 on, or 0 for the whole.
"""

import io
import json
import os
import struct
import zlib
from pathlib import Path

from PIL import Image  # type: ignore[import-not-found,unused-ignore]

SIDE = 1_600
"""A picture is shown in parts of at most this many pixels per side."""
MOST_COLOURS = 25_000_000
REVERSED = [int(f"{level:08b}"[::-1], 2) for level in range(256)]


def opaque(data: bytes) -> Image.Image:
    """Return the picture on a white background in eight-bit RGB, without the colours that transparent pixels hide."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.load()
        clear = eight_bits(image).convert("RGBA")
    paper = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(paper, clear).convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Drop the lower eight of 16 bits of grey, which nobody can see."""
    if not image.mode.startswith("I"):
        return image
    return image.point(lambda level: level * (1 / 256)).convert("L")


def parts(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Return the boxes of the parts in which a picture is shown at full size, row by row."""
    return [
        (left, top, min(left + SIDE, width), min(top + SIDE, height))
        for top in range(0, height, SIDE)
        for left in range(0, width, SIDE)
    ]


def drawn(image: Image.Image, what: str, part: int) -> Image.Image:
    if part:
        image = image.crop(parts(*image.size)[part - 1])
    if what == "contrast":
        image = image.point(REVERSED * 3)
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE))
    return image


def encoded(image: Image.Image) -> bytes:
    """Return a new file with the pixels and nothing else of the old one."""
    fresh = Image.frombytes("RGB", image.size, image.tobytes())
    out = io.BytesIO()
    fresh.save(out, format="PNG", compress_level=6)
    return out.getvalue()


def answer(what: str, part: int, data: bytes) -> tuple[dict[str, object], bytes]:
    image = opaque(data)
    if what == "facts":
        return {"colours": len(image.getcolors(MOST_COLOURS) or ())}, b""
    return {}, encoded(image if what == "rewrite" else drawn(image, what, part))


def work() -> None:
    what, part = json.loads(os.environ["WEIR_PARAMETERS"])["arguments"]
    data = Path(os.environ["WEIR_DATA"], "file").read_bytes()
    try:
        header, body = answer(what, int(part), data)
    except (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error):
        header, body = {"refused": "The picture is malformed."}, b""
    Path(os.environ["WEIR_OUT"], "header").write_text(json.dumps(header))
    Path(os.environ["WEIR_OUT"], "body").write_bytes(body)


if __name__ == "__main__":
    work()
