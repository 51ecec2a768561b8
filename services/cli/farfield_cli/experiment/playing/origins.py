"""What a run starts from: a checkpoint, fresh weights, or a version of another run's."""

import asyncio
import sys
from pathlib import Path

from farfield_cli.experiment.definition.experiment import Experiment, run_id
from farfield_cli.experiment.definition.jobs import Job
from farfield_cli.experiment.definition.spec import Fresh
from farfield_cli.experiment.playing import starts
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.run_folder import Json, RunFolder
from farfield_kernel.errors import DataLoss, FarfieldError, NotFound


class Origins:
    """Of the runs in `<out>/runs`; fresh weights are made in `<out>/bases`."""

    def __init__(self, experiment: Experiment, out: Path) -> None:
        self._experiment, self._out, self._bases = experiment, out, (out / "bases").resolve()
        self._runs = (out / "runs").resolve()
        self._drawing = asyncio.Lock()

    async def begun(self, job: Job) -> Config:
        """`filled`; what a run begins with is written down, once."""
        if not list(self._runs.glob(f"*/{job.run_id}/run.json")):
            starts.write(self._out, job.run_id, starts.starts_of([job])[job.run_id])
        return await self.filled(job)

    async def filled(self, job: Job) -> Config:
        """The job's run config with where it starts from. What it starts from has to be finished."""
        start = self._experiment.start_of(job.arm)
        if self._experiment.arms[job.arm].origin and start:
            return job.config | self._continued(run_id(start[0], job.seed), start[1])
        base = self._experiment.arms[job.arm].base
        if isinstance(base, Fresh):
            return job.config | {"base": str(await self._fresh(Path(base.fresh), job.seed))}
        return job.config

    def _continued(self, parent: str, version: int) -> Config:
        """`base_tokens` passes on what was spent before, so that the compute of a run has all of it."""
        folder = next(iter(sorted(self._runs.glob(f"*/{parent}"))), None)
        if folder is None:
            raise NotFound(f"run {parent}, to start from, is not in {self._runs}")
        weights = folder / "weights" / f"{version:06d}"
        if not weights.is_dir():
            raise NotFound(f"{weights} is gone; remove {folder} to train it again")
        return {"base": str(weights), "base_tokens": tokens_spent(RunFolder.at(folder), version)}

    async def _fresh(self, model: Path, seed: int) -> Path:
        target = self._bases / f"{model.parent.name}-{model.name}-s{seed}"
        self._bases.mkdir(parents=True, exist_ok=True)
        async with self._drawing:  # two lanes may want the same
            if not target.exists():
                await _drawn(model, target, seed)
        return target


async def _drawn(model: Path, target: Path, seed: int) -> None:
    """In a process of its own: this one knows no torch."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "farfield_model.fresh", str(model), str(target), "--seed", str(seed)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    if child.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise FarfieldError(f"no fresh weights like {model}: {' '.join(last) or 'no reason given'}")


def tokens_spent(run: RunFolder, version: int) -> int:
    """Training tokens that cost what the run had cost at a version: 6 N each. A token of its own episodes
    costs a third of that (2 N)."""
    if version == 0:
        return int(run.config["base_tokens"])
    found = [report["metrics"] for report in run.reports if _tells(report, version)]
    if not found:
        raise DataLoss(f"{run.path} has no report of version {version}")
    last: Json = found[-1]
    return round(last["tokens_init"] + last["tokens_train"] + last["tokens_buffer"] / 3)


def _tells(report: Json, version: int) -> bool:
    return report["update"] == version and report["kind"] in ("update", "eval")
