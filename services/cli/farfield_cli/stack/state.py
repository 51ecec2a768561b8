"""The option that names the folder of a stack."""

from pathlib import Path
from typing import Annotated

import typer

STATE = Path(".farfield")
StateFolder = Annotated[
    Path,
    typer.Option("--state", envvar="FARFIELD_STATE", help="Folder of the stack: sockets, logs, Redis data."),
]
