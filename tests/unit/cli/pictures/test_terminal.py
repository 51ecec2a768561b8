import io
import os
import pty
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from farfield_cli.pictures.easel import Easel
from farfield_cli.pictures.raster import png
from farfield_cli.pictures.terminal import Terminal, Way, ask, best

KITTY_ANSWER = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
SIXEL_ANSWER = b"\x1b[?62;4;22c"
PLAIN_ANSWER = b"\x1b[?64;14;22c"
COLOUR = {"COLORTERM": "truecolor"}


def terminal(answer: bytes = b"", columns: int = 80, is_terminal: bool = True, **variables: str) -> Terminal:
    return Terminal(variables, is_terminal, columns, lambda: answer)


@pytest.mark.parametrize(
    ("found", "way"),
    [
        (terminal(TERM="xterm-kitty"), Way.KITTY),
        (terminal(KITTY_WINDOW_ID="1"), Way.KITTY),
        (terminal(TERM_PROGRAM="ghostty"), Way.KITTY),
        (terminal(KITTY_ANSWER), Way.KITTY),
        (terminal(TERM_PROGRAM="iTerm.app"), Way.ITERM),
        (terminal(TERM_PROGRAM="WezTerm"), Way.ITERM),
        (terminal(LC_TERMINAL="iTerm2"), Way.ITERM),
        (terminal(SIXEL_ANSWER, **COLOUR), Way.SIXEL),
        (terminal(PLAIN_ANSWER, **COLOUR), Way.BLOCKS),
        (terminal(TERM="xterm-direct"), Way.BLOCKS),
        (terminal(PLAIN_ANSWER, columns=40, **COLOUR), Way.FILE),
        (terminal(PLAIN_ANSWER, NO_COLOR="1", **COLOUR), Way.FILE),
        (terminal(TERM="dumb", **COLOUR), Way.FILE),
        (terminal(), Way.FILE),
        (terminal(KITTY_ANSWER, is_terminal=False, TERM="xterm-kitty"), Way.FILE),
    ],
)
def test_the_best_way(found: Terminal, way: Way) -> None:
    assert best(found) is way


@pytest.mark.parametrize("multiplexer", ["TMUX", "STY"])
def test_a_multiplexer_passes_on_only_what_it_says_itself(multiplexer: str) -> None:
    variables = {multiplexer: "1", "KITTY_WINDOW_ID": "1", "TERM_PROGRAM": "iTerm.app", **COLOUR}
    assert best(terminal(PLAIN_ANSWER, **variables)) is Way.BLOCKS
    assert best(terminal(SIXEL_ANSWER, **variables)) is Way.SIXEL


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The terminal's end, and the program's."""
    terminal_end, program_end = pty.openpty()
    yield terminal_end, program_end
    os.close(terminal_end)
    os.close(program_end)


def test_a_terminal_is_asked_and_left_as_it_was(ends: tuple[int, int]) -> None:
    terminal_end, program_end = ends
    before = termios.tcgetattr(program_end)

    def answer() -> None:
        asked = b""
        while not asked.endswith(b"\x1b[c"):
            asked += os.read(terminal_end, 1024)
        for piece in (KITTY_ANSWER[:7], KITTY_ANSWER[7:]):
            os.write(terminal_end, piece)

    answering = threading.Thread(target=answer)
    answering.start()
    assert ask(program_end, program_end, seconds=60) == KITTY_ANSWER
    answering.join()
    assert termios.tcgetattr(program_end) == before


def test_a_terminal_that_is_silent(ends: tuple[int, int]) -> None:
    _, program_end = ends
    assert ask(program_end, program_end, seconds=0) == b""


PICTURE = png(Image.new("RGB", (600, 240), (10, 90, 50)))


def shown(found: Terminal, folder: Path, way: Way = Way.AUTO) -> tuple[str, str]:
    out = io.StringIO()
    return Easel(found, folder, out, way).show(PICTURE), out.getvalue()


def test_a_file_holds_the_picture_as_it_came(tmp_path: Path) -> None:
    line, drawn = shown(terminal(), tmp_path / "pictures")
    (path,) = (tmp_path / "pictures").iterdir()
    assert path.read_bytes() == PICTURE
    assert line == f"picture, 600 x 240: {path}"
    assert drawn == ""


def test_blocks_come_with_the_file(tmp_path: Path) -> None:
    line, drawn = shown(terminal(**COLOUR), tmp_path)
    assert drawn.count("\n") == 16
    assert "sharper: " in line
    assert "tmux" not in line


def test_inside_tmux_it_says_so(tmp_path: Path) -> None:
    assert "tmux" in shown(terminal(TMUX="1", **COLOUR), tmp_path)[0]


@pytest.mark.parametrize(
    ("way", "begins"), [(Way.KITTY, "\x1b_G"), (Way.ITERM, "\x1b]1337;File="), (Way.SIXEL, "\x1bP")]
)
def test_a_way_can_be_asked_for(tmp_path: Path, way: Way, begins: str) -> None:
    line, drawn = shown(terminal(), tmp_path, way)
    assert line == ""
    assert drawn.startswith(begins)
    assert not list(tmp_path.iterdir())
