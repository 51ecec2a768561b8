"""`farfield experiment report` and `summary`: from what was played to what people read."""

from pathlib import Path
from typing import Annotated

import typer

from farfield_cli.terminal import run, say

Folders = Annotated[list[Path], typer.Argument(metavar="FOLDER…")]


def report(folders: Folders) -> None:
    """Write the report of experiments anew from their folders, also while they are played."""
    from farfield_cli.experiment.pages import page
    from farfield_cli.experiment.playing.folder import Folder

    async def written() -> None:
        for folder in folders:
            found = page.write(Folder(folder).opened(), folder)
            say(f"{folder / page.REPORT}: {found['verdict']['line']}")

    run(lambda _: written())


def summary(folders: Folders) -> None:
    """Print all experiments below some folders as Markdown: every arm, every claim."""
    from farfield_cli.experiment.pages.summary import markdown, read

    async def told() -> None:
        say(markdown(read(folders)))

    run(lambda _: told())
