"""Runs as a table on a screen."""

from rich.table import Table

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.runs.trainer import bar_of, state_of


def table(runs: list[tuple[str, pb.Run]]) -> Table:
    """Runs by lane."""
    shown = Table("lane", "run", "kind", "state", "updates", "episodes", box=None, header_style="bold")
    for lane, one in runs:
        progress, episodes = bar_of(one.update, one.updates), str(one.episodes_trained)
        shown.add_row(lane, one.run_id, one.algorithm, state_of(one), progress, episodes)
    return shown
