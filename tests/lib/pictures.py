"""Pictures of pages for the guide, small enough to be kept."""

import io
from pathlib import Path

from PIL import Image

from tests.lib.browser import NARROW, WIDE, Browser

COLOURS = 128


def take(one: Browser, out: Path, name: str, path: str = "") -> None:
    """The open page, or the one of `path`, at both widths in few colours."""
    if path:
        one.open(path)
    assert one.wrongs == [], (name, one.wrongs)
    for width in (WIDE, NARROW):
        file = out / f"{name}-{width}.png"
        one.picture(file, width)
        image = Image.open(io.BytesIO(file.read_bytes())).convert("RGB").quantize(COLOURS)
        image.save(file, optimize=True)
