"""Shows pictures in the way that was chosen."""

from functools import cached_property
from pathlib import Path
from typing import IO

from farfield_cli.pictures import blocks, iterm, kitty, sixel
from farfield_cli.pictures.kept import keep
from farfield_cli.pictures.raster import fitted, opened
from farfield_cli.pictures.terminal import Terminal, Way, best

_PIXELS_PER_COLUMN = 8
_BY_PROTOCOL = {Way.KITTY: kitty.encode, Way.ITERM: iterm.encode, Way.SIXEL: sixel.encode}


class Easel:
    """`folder`: for pictures that are shown as files."""

    def __init__(self, terminal: Terminal, folder: Path, out: IO[str], way: Way = Way.AUTO) -> None:
        self._terminal, self._folder, self._out = terminal, folder, out
        self._way = way

    @cached_property
    def way(self) -> Way:
        """Decided at the first picture: without one, the terminal is asked nothing."""
        return best(self._terminal) if self._way is Way.AUTO else self._way

    def show(self, data: bytes) -> str:
        """Draws the picture; returns a line to say of it, or nothing. What blocks are too coarse for, such as
        a sign in a street, is in the file."""
        image = opened(data)
        if self.way is Way.FILE:
            return f"picture, {image.width} x {image.height}: {keep(self._folder, data)}{self._note}"
        if self.way is Way.BLOCKS:
            self._draw(blocks.encode(image, self._terminal.columns))
            return f"sharper: {keep(self._folder, data)}{self._note}"
        self._draw(_BY_PROTOCOL[self.way](fitted(image, self._room)))
        return ""

    def _draw(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()

    @property
    def _note(self) -> str:
        outside = "   (tmux and screen pass no graphics on: outside of them the terminal may show it itself)"
        return outside if self._terminal.is_multiplexed else ""

    @property
    def _room(self) -> int:
        return self._terminal.columns * _PIXELS_PER_COLUMN
