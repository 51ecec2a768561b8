"""An experiment as files for a cluster: one run config for each arm and seed, in the order to submit them."""

from pathlib import Path

import yaml

from farfield_cli.experiment.definition.experiment import Experiment, run_id
from farfield_cli.experiment.definition.jobs import Job, jobs
from farfield_cli.experiment.definition.spec import Fresh
from farfield_cli.runs.run_file import Config


def write(experiment: Experiment, out: Path, runs: str) -> list[Path]:
    """`<out>/<run id>.yaml` for each run, those that others start from first. `runs`: the folder of runs of
    the trainer that will play them, as its pods see it."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for job in jobs(experiment):
        path = out / f"{job.run_id}.yaml"
        note, filled = _filled(experiment, job, runs)
        text = yaml.safe_dump(filled, sort_keys=False, allow_unicode=True)
        path.write_text(
            f"# {experiment.title}: {experiment.arms[job.arm].label}, seed {job.seed}.\n{note}{text}"
        )
        written.append(path)
    return written


def _filled(experiment: Experiment, job: Job, runs: str) -> tuple[str, Config]:
    """A remark and the config."""
    arm, start = experiment.arms[job.arm], experiment.start_of(job.arm)
    if arm.origin and start:
        parent, version = run_id(start[0], job.seed), start[1]
        note = (
            f"# Starts from version {version} of {parent}: submit it when that run is over, to its lane,\n"
            "# and write base_tokens: its tokens_init + tokens_train + tokens_buffer / 3 at that version.\n"
        )
        return note, job.config | {"base": f"{runs.rstrip('/')}/{parent}/weights/{version:06d}"}
    if isinstance(arm.base, Fresh):
        target = f"{arm.base.fresh.rstrip('/')}-fresh-s{job.seed}"
        command = f"python -m farfield_model.fresh {arm.base.fresh} {target} --seed {job.seed}"
        return f"# Make its fresh weights first: {command}\n", job.config | {"base": target}
    return "", job.config
