"""The runs of an experiment."""

from dataclasses import dataclass

from farfield_cli.experiment.definition.configs import config
from farfield_cli.experiment.definition.experiment import Experiment, run_id
from farfield_cli.lanes.progress import work_of
from farfield_cli.runs.run_file import Config


@dataclass(frozen=True, slots=True)
class Job:
    """One run: an arm with one seed. `needs`, `version`: the run that it starts from, and where."""

    arm: str
    seed: int
    config: Config
    needs: str = ""
    version: int = 0

    @property
    def run_id(self) -> str:
        return run_id(self.arm, self.seed)


def jobs(experiment: Experiment) -> list[Job]:
    """Seed after seed. Within a seed, first what others start from, then the longest: so the lanes end at
    about the same time."""
    sources = {arm.origin.arm for arm in experiment.arms.values() if arm.origin}
    found = []
    for seed in experiment.seeds:
        of_seed = [_job(experiment, arm, seed) for arm in experiment.arms]
        found += sorted(of_seed, key=lambda job: (job.arm not in sources, -work_of(job.config)))
    return found


def _job(experiment: Experiment, arm: str, seed: int) -> Job:
    filled, start = config(experiment, arm, seed), experiment.start_of(arm)
    if experiment.arms[arm].origin and start:
        return Job(arm, seed, filled, run_id(start[0], seed), start[1])
    return Job(arm, seed, filled)
