"""How this terminal can show a picture: what its variables say, and what it answers when it is asked.

Asked are two things at once: whether kitty's graphics are there, and what the terminal is (DA1), which every
terminal answers and in which a 4 stands for sixel. So the second answer also says that the first has come or
will not.
"""

import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_KITTY_OK = b"\x1b_Gi=31;OK"
_SIXEL = b"4"
_ANSWER_SECONDS = 0.5
_FEWEST_COLUMNS = 60
"""At which the cards' ranks can be read as blocks."""


class Way(StrEnum):
    AUTO = "auto"
    KITTY = "kitty"
    ITERM = "iterm"
    SIXEL = "sixel"
    BLOCKS = "blocks"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Terminal:
    """`ask`: the terminal's answer to `_QUESTION`, empty when there is none."""

    variables: Mapping[str, str]
    is_terminal: bool
    columns: int
    ask: Callable[[], bytes]

    @property
    def is_multiplexed(self) -> bool:
        """tmux and screen keep the variables of the terminal that they were started from, and pass no
        graphics on."""
        return bool(self.variables.get("TMUX") or self.variables.get("STY"))

    @property
    def has_true_colour(self) -> bool:
        variables = self.variables
        if "NO_COLOR" in variables or variables.get("TERM") == "dumb":
            return False
        told = variables.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        return told or variables.get("TERM", "").endswith("-direct")


def best(terminal: Terminal) -> Way:
    if not terminal.is_terminal:
        return Way.FILE
    known = None if terminal.is_multiplexed else by_variables(terminal.variables)
    way = known or by_answer(terminal.ask())
    if way:
        return way
    readable = terminal.has_true_colour and terminal.columns >= _FEWEST_COLUMNS
    return Way.BLOCKS if readable else Way.FILE


def by_variables(variables: Mapping[str, str]) -> Way | None:
    program, term = variables.get("TERM_PROGRAM", ""), variables.get("TERM", "")
    if program in ("iTerm.app", "WezTerm", "mintty") or variables.get("LC_TERMINAL") == "iTerm2":
        return Way.ITERM
    if "KITTY_WINDOW_ID" in variables or program == "ghostty" or term in ("xterm-kitty", "xterm-ghostty"):
        return Way.KITTY
    return None


def by_answer(answer: bytes) -> Way | None:
    if _KITTY_OK in answer:
        return Way.KITTY
    attributes = _ATTRIBUTES.search(answer)
    return Way.SIXEL if attributes and _SIXEL in attributes[1].split(b";") else None


def ask(fd_in: int, fd_out: int, seconds: float = _ANSWER_SECONDS) -> bytes:
    """The answer as it came. The terminal is left as it was found."""
    before = termios.tcgetattr(fd_in)
    tty.setcbreak(fd_in, termios.TCSANOW)
    try:
        os.write(fd_out, _QUESTION)
        answer, deadline = b"", time.monotonic() + seconds
        while not _ATTRIBUTES.search(answer):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd_in], [], [], left)[0]:
                break
            answer += os.read(fd_in, 1024)
        return answer
    finally:
        termios.tcsetattr(fd_in, termios.TCSANOW, before)


def present() -> Terminal:
    """The terminal of this process. One whose other end is no keyboard is not asked: nobody would answer."""
    is_terminal = sys.stdout.isatty()

    def asked() -> bytes:
        return ask(sys.stdin.fileno(), sys.stdout.fileno()) if sys.stdin.isatty() else b""

    return Terminal(os.environ, is_terminal, _columns(), asked)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 80
