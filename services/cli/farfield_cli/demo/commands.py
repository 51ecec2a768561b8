"""`farfield demo`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from farfield_cli.demo import summary as demo_summary
from farfield_cli.demo.demo import Demo, DemoOptions, finished
from farfield_cli.demo.view import print_outcome, view_of
from farfield_cli.interrupts import Interruptible
from farfield_cli.stack.commands import Secure
from farfield_cli.stack.stack import Stack, running
from farfield_cli.terminal import console, run, say, seconds, size


def demo(
    seeds: Annotated[
        int, typer.Option(min=1, help="Seeds, one after another; 3 show how far results spread.")
    ] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: the whole path in under a minute, no claim.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of everything that the demo makes.")] = Path("runs/demo"),
    workers: Annotated[int, typer.Option(min=1, help="Rollout workers of each of the two lanes.")] = 1,
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="The same seed gives the same weights bit for bit; slower."),
    ] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(help="Folder with init, sft, sft_matched and rl.yaml.  [default: examples/demo]"),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what an earlier demo left in --out, and start over.")
    ] = False,
    secure: Secure = False,
) -> None:
    """Post-train a small model with SFT and with RL on one rule, and see what becomes of an unseen one.

    Starts its own stack, evaluates both rules along the way, and writes summary.json, curves.png and
    report.html. Interrupted with Ctrl-C, it goes on when it is started again.
    """
    options = DemoOptions(out, recipe, seeds, quick, deterministic, workers, fresh, secure)
    run(lambda interruptible: _demo(options, interruptible))


async def _demo(options: DemoOptions, interruptible: Interruptible) -> None:
    demo = Demo(options)
    demo.prepare()
    if demo.is_finished:
        _show_finished(options.out)
        return
    began = time.monotonic()

    def made(stack: Stack) -> None:
        interruptible.hurry = stack.supervisor.kill
        what = "going on with the demo in" if demo.resumed else "demo in"
        say(f"{what} {options.out}: starting {len(stack.supervisor.children)} processes …")

    async with running(demo.stack_options, made) as stack:
        started = time.monotonic() - began
        say(f"stack ready after {seconds(started)}; Ctrl-C interrupts, the same command goes on")
        view = view_of(console, stack, demo.progress)
        with view.showing():
            await stack.beside(demo.play(stack, view.news))
    found = demo.finish({"start": started})
    print_outcome(console, found)
    _say_costs(demo, options.out, time.monotonic() - began)


def _show_finished(out: Path) -> None:
    runs, _ = finished(out)
    print_outcome(console, demo_summary.outcome(runs))
    say(f"\nThe demo in {out} was finished before; --fresh starts over, more --seeds add to it.")


def _say_costs(demo: Demo, out: Path, spent: float) -> None:
    say(
        f"\n{seconds(spent)}, at most {size(demo.spent.memory['peak_bytes'])} resident. "
        f"Read the episodes in {out / 'report.html'}; numbers in {out / 'summary.json'}"
    )
