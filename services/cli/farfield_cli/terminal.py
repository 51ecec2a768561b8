"""What a person sees: one console, and errors as one readable block."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from farfield_cli.interrupts import EXIT_STATUS, Interrupted, Interruptible
from farfield_kernel.errors import FarfieldError

T = TypeVar("T")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read has gone, so the command ends: by an exception that a task may raise."""
        with contextlib.suppress(SystemExit):
            super().on_broken_pipe()
        raise typer.Exit(1)


console = _Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def interactive() -> bool:
    """Whether a person is at both ends; otherwise plain lines are written and nothing is asked."""
    return console.is_terminal and sys.stdin.isatty()


def say(text: str) -> None:
    """A line as it is: brackets in it are no markup."""
    console.print(text, markup=False, soft_wrap=True)


def fail(text: str) -> None:
    errors.print(f"[red]error:[/red] {escape(text)}", soft_wrap=True)


def seconds(value: float) -> str:
    """47 s, 3:05, 1:02:09."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(value: float) -> str:
    """In megabytes or gigabytes."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def run(work: Callable[[Interruptible], Coroutine[Any, Any, T]]) -> T:
    """Runs a command's work. Its errors become a message and exit status 1; Ctrl-C ends it in order."""
    interruptible = Interruptible(
        lambda: errors.print("[dim]stopping … (Ctrl-C again to stop at once)[/dim]")
    )
    try:
        return asyncio.run(interruptible.run(work(interruptible)))
    except Interrupted:
        raise typer.Exit(EXIT_STATUS) from None
    except (FarfieldError, OSError) as error:
        fail(str(error))
        raise typer.Exit(1) from None
