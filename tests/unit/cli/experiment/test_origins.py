"""Fresh weights, made by a process of their own."""

import asyncio
from dataclasses import replace
from pathlib import Path

from farfield_cli.experiment.definition.files import read_file
from farfield_cli.experiment.definition.jobs import jobs
from farfield_cli.experiment.playing.folder import Choice
from farfield_cli.experiment.playing.origins import Origins

FILE = Path(__file__).parents[4] / "examples" / "experiments" / "no-init.yaml"


async def test_two_lanes_that_want_the_same_fresh_weights_get_them(tmp_path: Path) -> None:
    """Slow for one child process that imports torch."""
    experiment = replace(Choice(FILE).of(read_file(FILE)), seeds=(3,))
    bare = [job for job in jobs(experiment) if job.arm in ("rl_bare", "sft_bare")]
    origins = Origins(experiment, tmp_path)
    one, other = await asyncio.gather(*map(origins.filled, bare))
    assert one["base"] == other["base"]
    assert one["base"].endswith("bases/tiny-checkpoint-s3")
    assert made_in(tmp_path) == ["bases/tiny-checkpoint-s3/model.safetensors"]


def made_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.glob("bases/*/model.safetensors")]
