"""What an evaluation leaves in its folder.

`eval.json` (`result` describes it), `eval.md`, `eval.png` and `eval.svg`, and `episodes.jsonl`: one line for
each episode, a trajectory as JSON of protobuf without token ids and logprobs. `eval.json` comes last: where
it is, the rest is.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_cli.evaluation.figure import draw
from farfield_cli.evaluation.result import Result
from farfield_cli.evaluation.wording import markdown
from farfield_kernel.trajectories import readable
from farfield_kernel.weights import write_durably


def write(folder: Path, result: Result, trajectories: Sequence[Trajectory]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "episodes.jsonl").open("w") as file:
        for trajectory in trajectories:
            file.write(json.dumps(readable(trajectory), ensure_ascii=False) + "\n")
    (folder / "eval.md").write_text(markdown(result))
    draw(result, [folder / "eval.png", folder / "eval.svg"])
    write_durably(folder / "eval.json", (json.dumps(result.data(), indent=1) + "\n").encode())
