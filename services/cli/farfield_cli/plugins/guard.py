"""Errors of commands that run no event loop, as one readable block."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from farfield_cli.interrupts import EXIT_STATUS
from farfield_cli.terminal import fail
from farfield_conformance.hosting import DidNotStart
from farfield_kernel.errors import FarfieldError


@contextmanager
def guarded() -> Iterator[None]:
    """What a person can do something about becomes a message and exit status 1."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_STATUS) from None
    except (FarfieldError, DidNotStart, OSError) as error:
        fail(str(error))
        raise typer.Exit(1) from None
