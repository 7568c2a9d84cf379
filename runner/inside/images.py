"""Decode one PNG and write it anew: standard input to standard output, in a sandbox that holds no data."""

import io
import json
import sys

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


def main() -> None:
    header, body = rewritten(sys.stdin.buffer.read(), int(sys.argv[1]))
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
