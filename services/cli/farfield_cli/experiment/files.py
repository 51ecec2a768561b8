"""Reading an experiment's file at one scale: overlays, sweeps, paths, and that every name in it is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from farfield_cli.experiment.experiment import Experiment, about, check_known, measures_of
from farfield_cli.experiment.spec import Arm, Changes, Claim, ExperimentFile, Json, Suite
from farfield_cli.experiment.sweeps import spread
from farfield_cli.run_file import overlaid, resolved
from farfield_kernel.config import parse
from farfield_kernel.errors import FarfieldError, InvalidArgument, NotFound

_OWN_KEYS = ("label", "from", "suites")
"""Of an arm; everything else is its run config."""


def read(path: Path, scale: str = "tiny") -> Experiment:
    """NotFound, or InvalidArgument that says what to write instead."""
    file = read_file(path)
    if scale not in file.scales:
        raise NotFound(f"{path} has no scale '{scale}'; it has {', '.join(file.scales)}")
    return at_scale(file, scale, path)


def read_file(path: Path) -> ExperimentFile:
    """The file as it is written."""
    if not path.is_file():
        raise NotFound(f"no experiment {path}; `farfield experiment list` shows those that there are")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InvalidArgument(f"{path} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise InvalidArgument(f"{path}: an experiment is a mapping of keys, found {type(data).__name__}")
    return parse(ExperimentFile, data, str(path))


def at_scale(file: ExperimentFile, scale: str, path: Path) -> Experiment:
    """`path` gives the name, and what paths in the file are relative to."""
    changes, what = file.scales[scale], f"{path}, scale {scale}"
    suites = _suites(file, changes, what)
    arms = _arms(file, changes, what, path.parent)
    for claim in file.claims:
        _check_claim(claim, file, arms, what)
    found = Experiment(
        name=path.stem,
        scale=scale,
        title=file.title,
        question=file.question,
        paper=file.paper,
        suites=suites,
        arms=arms,
        claims=about(file.claims, arms, suites),
        seeds=changes.seeds or file.seeds,
    )
    _check_arms(found, what)
    return found


def _suites(file: ExperimentFile, changes: Changes, what: str) -> dict[str, Suite]:
    laid = _kept(overlaid(file.suites, changes.suites))
    return {name: parse(Suite, suite, f"{what}: suite {name}") for name, suite in laid.items()}


def _arms(file: ExperimentFile, changes: Changes, what: str, folder: Path) -> dict[str, Arm]:
    """Each is common ← arm ← the scale's common ← the scale's arm, and then spread."""
    arms: dict[str, Arm] = {}
    for name in _kept(overlaid(file.arms, changes.arms)):
        place = f"{what}: arm {name}"
        laid: Json = {}
        for layer in (file.common, file.arms.get(name), changes.common, changes.arms.get(name)):
            laid = overlaid(laid, layer or {})
        arms |= {one: _arm(data, place, folder) for one, data in spread(name, laid, place).items()}
    return arms


def _arm(data: Json, what: str, folder: Path) -> Arm:
    own = {key: data[key] for key in _OWN_KEYS if key in data}
    run = {key: value for key, value in data.items() if key not in _OWN_KEYS}
    if "base" in run:
        run["base"] = _resolved_base(run["base"], folder)
    return parse(Arm, own | {"run": run}, what)


def _resolved_base(base: Any, folder: Path) -> Any:
    """Absolute paths; those of a cluster are so already."""
    if isinstance(base, dict):
        return {key: str(resolved(folder, str(value))) for key, value in base.items()}
    return str(resolved(folder, str(base)))


def _kept(named: Mapping[str, Json | None]) -> dict[str, Json]:
    return {name: value for name, value in named.items() if value is not None}


# Names


def _check_claim(claim: Claim, file: ExperimentFile, arms: Mapping[str, Arm], what: str) -> None:
    """An arm or a suite that this scale leaves out may be named: the claim is then left out too."""
    written = {*file.arms, *(name for one in file.scales.values() for name in one.arms)}
    suites = {*file.suites, *(name for one in file.scales.values() for name in one.suites)}
    for measure in measures_of(claim):
        with_place(
            f"{what}: claim {claim.name}", check_known, measure.arm, sorted({*arms, *written}), "an arm"
        )
        with_place(f"{what}: claim {claim.name}", check_known, measure.suite, sorted(suites), "a suite")


def _check_arms(found: Experiment, what: str) -> None:
    for name, arm in found.arms.items():
        place = f"{what}: arm {name}"
        for suite in arm.suites:
            with_place(place, check_known, suite, found.suites, "a suite")
        if arm.origin:
            with_place(place, _check_origin, found, name)
        elif not arm.base:
            raise InvalidArgument(
                f"{place} has nothing to start from: write base: FOLDER or from: {{arm: …}}"
            )


def _check_origin(found: Experiment, name: str) -> None:
    """That the weights which it starts from will be there."""
    seen, arm = [name], found.arms[name]
    while arm.origin:
        check_known(arm.origin.arm, found.arms, "an arm")
        if arm.origin.arm in seen:
            raise InvalidArgument(f"'from' leads in a circle: {' ← '.join([*seen, arm.origin.arm])}")
        seen.append(arm.origin.arm)
        parent = found.arms[arm.origin.arm]
        if (arm.origin.update or 0) > parent.updates:
            raise InvalidArgument(
                f"from: update {arm.origin.update} of '{arm.origin.arm}', which has {parent.updates} updates"
            )
        arm = parent


def with_place(place: str, check: Any, *arguments: Any) -> None:
    """Says where in the file an error is."""
    try:
        check(*arguments)
    except FarfieldError as error:
        raise type(error)(f"{place}: {error}") from None
