"""The demo's branches as run configs: from YAML, for one seed, perhaps in a quick size."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from farfield_cli.runs import run_file
from farfield_cli.runs.run_file import Config, overlaid
from farfield_kernel.errors import FailedPrecondition, NotFound

BRANCHES = ("init", "sft", "sft_matched", "rl")
LANES: Mapping[str, tuple[str, ...]] = {"rl": ("rl",), "sft": ("init", "sft", "sft_matched")}
"""Which lane plays which branches: about the same work for each of two cores."""
LABELS = {"init": "base", "sft": "SFT", "sft_matched": "SFT, matched", "rl": "RL"}
SUITES = ("id", "ood")

_QUICK = "quick.yaml"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the demo."""

    branch: str
    seed: int
    lane: str
    config: Config
    needs: str = ""

    @property
    def run_id(self) -> str:
        return run_id(self.branch, self.seed)


def run_id(branch: str, seed: int) -> str:
    return f"{branch}-s{seed}"


def find_folder(given: Path | None) -> Path:
    """The recipe's folder: as given, below the working folder, or in the source tree of this package."""
    source = Path(__file__).resolve().parents[4] / "examples" / "demo"
    tried = [given] if given else [Path("examples/demo"), source]
    for folder in tried:
        if all((folder / f"{branch}.yaml").is_file() for branch in BRANCHES):
            return folder
    places = " or ".join(map(str, tried))
    raise NotFound(
        f"no recipe in {places}: it needs {', '.join(f'{branch}.yaml' for branch in BRANCHES)}. "
        "Run the demo in the source tree, or name the folder with --recipe"
    )


def read(folder: Path, *, quick: bool, deterministic: bool) -> dict[str, Config]:
    """The config of each branch."""
    configs = {branch: run_file.read(folder / f"{branch}.yaml") for branch in BRANCHES}
    if quick:
        sizes = run_file.read(folder / _QUICK)
        configs = {name: overlaid(config, sizes.get(name, {})) for name, config in configs.items()}
    if deterministic:
        configs = {name: config | {"deterministic": True} for name, config in configs.items()}
    _check(configs)
    return configs


def model_of(configs: Mapping[str, Config]) -> Path:
    """The checkpoint that every branch starts from."""
    return Path(configs["init"]["base"])


def jobs(configs: Mapping[str, Config], seeds: int) -> Iterator[Job]:
    """In the order of each lane."""
    for seed in range(seeds):
        for lane, branches in LANES.items():
            for branch in branches:
                yield Job(branch, seed, lane, seeded(configs[branch], seed))


def seeded(config: Config, seed: int) -> Config:
    """One seed decides training and evaluation, so every branch of a seed meets the same episodes."""
    suites = {name: suite | {"seed": seed} for name, suite in config["evaluation"]["suites"].items()}
    return overlaid(config, {"seed": seed, "evaluation": {"suites": suites}})


def _check(configs: Mapping[str, Config]) -> None:
    suites = {branch: config["evaluation"]["suites"] for branch, config in configs.items()}
    different = [branch for branch in BRANCHES if suites[branch] != suites["init"]]
    if different or not set(SUITES) <= set(suites["init"]):
        raise FailedPrecondition(f"the branches of a demo share their suites {SUITES}; not so in {different}")
    model = model_of(configs)
    if not (model / "config.json").exists():
        raise FailedPrecondition(
            f"the small model that the demo starts from is missing: {model} has no config.json. It is part "
            "of the source tree; `make base-model` makes it anew (about 10 minutes)"
        )
