"""What decides a run: its config, the files of its base, and the versions of the plugins that play and judge.

`<out>/starts/<run id>.json` has it of each run as it was begun. An older run has none: all that is known of
it is the config in its trainer's record.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from operator import eq
from pathlib import Path
from typing import Any

from farfield_cli.experiment.definition.jobs import Job
from farfield_cli.lanes.progress import evaluated_versions
from farfield_cli.plugins.listing import version_of
from farfield_cli.runs.run_file import Config
from farfield_cli.runs.run_folder import RunFolder
from farfield_kernel.errors import DataLoss
from farfield_kernel.weights import fingerprint, write_durably

FOLDER = "starts"
_MEASURING = ("evaluation", "checkpoint", "keep_versions")
"""Keys that say what is measured and kept of a run; the others decide its weights."""


@dataclass(frozen=True, slots=True)
class Start:
    """`config`: as the experiment has it, without where the run starts from."""

    config: Config
    base: str
    """The folder of its weights, of another run's below that of runs; empty where they are drawn anew."""
    files: str
    """Fingerprint of the checkpoint; empty where that is not there, or the run starts from another."""
    plugins: Mapping[str, str]
    """Versions, by kind and name."""


def starts_of(jobs: Iterable[Job]) -> dict[str, Start]:
    """As they would begin now, by run id."""
    known = cache(_fingerprint)
    return {job.run_id: _start(job, known) for job in jobs}


def write(out: Path, run_id: str, start: Start) -> None:
    (out / FOLDER).mkdir(exist_ok=True)
    write_durably(path_of(out, run_id), json.dumps(asdict(start), indent=1).encode())


def read(out: Path, run_id: str) -> Start | None:
    """None where there is none. DataLoss where it is torn or means something else."""
    path = path_of(out, run_id)
    try:
        return Start(**json.loads(path.read_text())) if path.is_file() else None
    except (ValueError, TypeError) as error:
        raise DataLoss(f"{path} does not say how a run was begun: {error}") from None


def path_of(out: Path, run_id: str) -> Path:
    return out / FOLDER / f"{run_id}.json"


def _start(job: Job, fingerprint_of: Callable[[str], str]) -> Start:
    config = json.loads(json.dumps({key: value for key, value in job.config.items() if key != "base"}))
    if job.needs:
        return Start(config, f"{job.needs}/weights/{job.version:06d}", "", _plugins(config))
    base = job.config["base"]
    if isinstance(base, dict):
        return Start(config, "", f"fresh {fingerprint_of(base['fresh'])}", _plugins(config))
    return Start(config, base, fingerprint_of(base), _plugins(config))


def _fingerprint(base: str) -> str:
    return fingerprint(Path(base)) if (Path(base) / "config.json").is_file() else ""


def _plugins(config: Config) -> dict[str, str]:
    sections = (config, *config["evaluation"]["suites"].values())
    environments = {str(one["environment"]["name"]) for one in sections if one.get("environment")}
    verifiers = {name for one in sections for name in _verifiers(one.get("reward"))}
    named = [("environment", name) for name in environments] + [("verifier", name) for name in verifiers]
    return {f"{kind} {name}": version_of(kind, name) for kind, name in sorted(named)}


def _verifiers(plan: Any) -> Iterator[str]:
    """Those in the leaves of a reward plan."""
    if isinstance(plan, dict) and "verifier" in plan:
        yield str(plan["verifier"])
    elif isinstance(plan, dict | list):
        for one in plan.values() if isinstance(plan, dict) else plan:
            yield from _verifiers(one)


# Whether it is the same run


def other_than(wanted: Start, run: RunFolder, begun: Start | None) -> str:
    """What the run was begun with that is not what is wanted, or not measured; empty where it is the run."""
    played, alike = (begun.config, eq) if begun else (run.config, _says)
    decided = alike(_deciding(played), _deciding(wanted.config))
    if not (decided and _measured(wanted.config, played, alike)):
        return "another config"
    if begun is None:
        return "" if str(played["base"]).endswith(wanted.base) else "another base"
    if not _same_base(wanted, begun):
        return "another base"
    changed = dict(wanted.plugins.items() - begun.plugins.items())
    return f"another version of {', '.join(sorted(changed))}" if changed else ""


def _deciding(config: Config) -> Config:
    return {key: value for key, value in config.items() if key not in _MEASURING}


def _measured(wanted: Config, played: Config, alike: Callable[[Any, Any], bool]) -> bool:
    """Whether all that is to be measured and kept is."""
    there = played["evaluation"]["suites"]
    suites = wanted["evaluation"]["suites"].items()
    return (
        all(name in there and alike(there[name], suite) for name, suite in suites)
        and evaluated_versions(wanted) <= evaluated_versions(played)
        and set(wanted.get("keep_versions", ())) <= set(played.get("keep_versions", ()))
    )


def _same_base(one: Start, other: Start) -> bool:
    return one.files == other.files if one.files and other.files else one.base == other.base


def _says(record: Any, told: Any) -> bool:
    """Whether a record, with its defaults filled in, is of a config that was told so."""
    if isinstance(told, dict) and isinstance(record, dict):
        return all(key in record and _says(record[key], value) for key, value in told.items())
    return bool(record == told)
