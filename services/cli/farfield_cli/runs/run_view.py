"""A run on a screen: a progress bar with the latest figures for a person, plain lines for a log."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.report.points import binomial, shown
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.trainer import state_of

_FIGURES = (
    ("success_rate", "solved", "{:.0%}"),
    ("reward_mean", "reward", "{:.3f}"),
    ("loss", "loss", "{:.4f}"),
    ("kl", "kl", "{:.4f}"),
    ("grad_norm", "grad", "{:.2f}"),
)


class RunView:
    def __init__(self, console: Console, run_id: str, config: Config) -> None:
        self._console, self._run_id = console, run_id
        self._updates = int(config.get("updates", 0))
        self._state = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}", style="dim"),
            console=console,
        )
        self._task: TaskID | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        if not self._console.is_terminal or not self._updates:
            yield
            return
        with self._progress:
            self._task = self._progress.add_task(self._run_id, total=self._updates, figures="")
            yield

    def observe(self, answer: pb.WatchRunResponse) -> None:
        self._tell_state(state_of(answer.run))
        report = answer.report
        if report.kind == "eval":
            point = binomial(report.metrics["success"], int(report.metrics["episodes"]))
            self._say(f"update {report.update}, {report.suite}: {shown(point)} % solved, n = {point.n}")
        elif report.kind == "update":
            self._tell_update(report)
        elif report.metrics.get("waiting_for_queue"):
            self._say("waiting for the queue …")
        elif report.metrics.get("evaluation_lost"):
            self._say(f"the evaluation of version {report.update} is lost with its weights")
        elif report.metrics.get("restored"):
            self._say(f"goes on from the checkpoint of update {report.update}")

    def _tell_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._say(state)

    def _tell_update(self, report: pb.Report) -> None:
        figures = figures_of(report.metrics)
        if self._task is not None:
            self._progress.update(self._task, completed=report.update, figures=figures)
        else:
            self._say(f"update {report.update}/{self._updates}  {figures}")

    def _say(self, text: str) -> None:
        self._progress.console.print(f"{self._run_id}: {text}", markup=False, soft_wrap=True)


def figures_of(metrics: Mapping[str, float]) -> str:
    """The few figures that a person looks at."""
    return "  ".join(
        f"{label} {shape.format(metrics[name])}" for name, label, shape in _FIGURES if name in metrics
    )
