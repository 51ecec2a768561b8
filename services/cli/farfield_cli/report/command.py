"""`farfield report`: one HTML file of any runs."""

from pathlib import Path
from typing import Annotated

import typer

from farfield_cli.terminal import fail, say
from farfield_kernel.errors import FarfieldError


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, or one of a demo, an experiment or an evaluation.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")] = Path("report.html"),
) -> None:
    """Write one self-contained page: curves, results, costs, and episodes to read turn by turn."""
    from farfield_cli.report.report import render, runs_page

    try:
        html = _of_one(runs[0]) if len(runs) == 1 else render(runs_page(runs))
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(html)
    except (FarfieldError, OSError) as error:
        fail(str(error))
        raise typer.Exit(1) from None
    say(f"wrote {output}")


def _of_one(folder: Path) -> str:
    """A demo, an experiment, an evaluation or a run: its folder says which."""
    from farfield_cli.evaluation.page import eval_page
    from farfield_cli.experiment.pages import page
    from farfield_cli.experiment.playing.folder import SETTINGS, Folder
    from farfield_cli.report.report import render, runs_page

    if (folder / "demo.json").exists():
        return _of_demo(folder)
    if (folder / SETTINGS).exists():
        return page.html_of(Folder(folder).opened(), folder)
    return render(eval_page(folder) if (folder / "eval.json").exists() else runs_page([folder]))


def _of_demo(folder: Path) -> str:
    from farfield_cli.demo import summary as demo_summary
    from farfield_cli.demo.demo import finished
    from farfield_cli.demo.report import demo_page

    runs, data = finished(folder)
    return demo_page(runs, demo_summary.outcome(runs), data)
