"""The graphics protocol of kitty, which ghostty and Konsole speak too.

https://sw.kovidgoyal.net/kitty/graphics-protocol: a PNG in base64, in chunks of at most 4096 letters; `m=1`
says that more follow, `q=2` that no answer is wanted.
"""

import base64

from PIL import Image

from farfield_cli.pictures.raster import png

_CHUNK = 4096


def encode(image: Image.Image) -> str:
    text = base64.b64encode(png(image)).decode()
    chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    last = len(chunks) - 1
    return "".join(
        f"\x1b_G{'a=T,f=100,q=2,' if number == 0 else ''}m={int(number < last)};{chunk}\x1b\\"
        for number, chunk in enumerate(chunks)
    )
