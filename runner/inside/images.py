"""Decode one PNG and write it anew: in a sandbox that holds no data."""

import io
import json
import os
import struct
import zlib
from pathlib import Path

from PIL import Image  # type: ignore[import-not-found,unused-ignore]

PLAIN_MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "I;16": "I;16"}


def rewritten(data: bytes, side: int) -> tuple[dict[str, object], bytes]:
    """The picture's pixels in a new file without any of the old one's other content, at most `side` wide and high."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.load()
        plain = image.convert(PLAIN_MODES.get(image.mode, "RGBA"))
    fresh = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    if max(fresh.size) > side:
        fresh.thumbnail((side, side))
    out = io.BytesIO()
    fresh.save(out, format="PNG", compress_level=6)
    return {"width": fresh.width, "height": fresh.height}, out.getvalue()


def work() -> None:
    (side,) = json.loads(os.environ["WEIR_PARAMETERS"])["arguments"]
    data = Path(os.environ["WEIR_DATA"], "file").read_bytes()
    try:
        header, body = rewritten(data, int(side))
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error):
        header, body = {"refused": "The picture is malformed."}, b""
    Path(os.environ["WEIR_OUT"], "header").write_text(json.dumps(header))
    Path(os.environ["WEIR_OUT"], "body").write_bytes(body)


if __name__ == "__main__":
    work()
