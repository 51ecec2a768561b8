"""What an evaluation leaves in its folder.

`eval.json` (`result` describes it), `eval.md`, `eval.png` and `eval.svg`, and `episodes.jsonl`: one line for
each episode, a trajectory as JSON of protobuf (of tokens those of responses); `pictures` has what was shown
in the first of them. `eval.json` comes last: where it is, the rest is.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from farfield_cli.evaluation.figure import draw
from farfield_cli.evaluation.play import Episode
from farfield_cli.evaluation.result import Json, Result
from farfield_cli.evaluation.wording import markdown
from farfield_kernel.trajectories import keep_images, readable
from farfield_kernel.weights import write_durably

EPISODES, PICTURES = "episodes.jsonl", "pictures"


def write(folder: Path, result: Result, episodes: Sequence[Episode]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / EPISODES).open("w") as file:
        for one in episodes:
            file.write(json.dumps(readable(one.trajectory), ensure_ascii=False) + "\n")
    shutil.rmtree(folder / PICTURES, ignore_errors=True)  # of an evaluation that was here before
    for one in episodes:
        if one.pictures:
            keep_images(folder / PICTURES, [one.trajectory], one.pictures)
    (folder / "eval.md").write_text(markdown(result))
    draw(result, [folder / "eval.png", folder / "eval.svg"])
    write_durably(folder / "eval.json", (json.dumps(result.data(), indent=1) + "\n").encode())


def episodes(folder: Path) -> Iterator[Json]:
    """The trajectories, as they were written."""
    with (folder / EPISODES).open() as file:
        for line in file:
            yield json.loads(line)


def pictures(folder: Path) -> list[Path]:
    """Files of what was shown, named by SHA-256."""
    return sorted((folder / PICTURES).glob("*.*"))
