"""Reading an experiment's file at one scale: overlays, sweeps, paths, and that every name in it is known."""

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from farfield_cli.experiment.definition.experiment import Experiment, about, check_known, measures_of
from farfield_cli.experiment.definition.spec import Arm, Changes, Claim, ExperimentFile, Json, RunRead, Suite
from farfield_cli.experiment.definition.sweeps import spread
from farfield_cli.runs.run_file import layered, mapping, overlaid, resolved
from farfield_kernel.config import parse
from farfield_kernel.errors import FarfieldError, InvalidArgument, NotFound

_OWN_KEYS = ("label", "from", "suites")
"""Of an arm; everything else is its run config."""


def read(path: Path, scale: str = "tiny") -> Experiment:
    """NotFound, or InvalidArgument that says what to write instead."""
    return at_scale(read_file(path), scale, path)


def read_file(path: Path) -> ExperimentFile:
    """The file as it is written, with what it extends; paths of bases are absolute."""
    return parse(ExperimentFile, layered(path, _data), str(path))


def _data(path: Path) -> Json:
    if not path.is_file():
        raise NotFound(f"no experiment {path}; `farfield experiment list` shows those that there are")
    data = mapping(path, "an experiment")
    for section in _with_bases(data):
        section["base"] = _resolved_base(section["base"], path.parent)
    return data


def _with_bases(data: Json) -> Iterator[Json]:
    """The sections that name a base: run configs, whole or in part."""
    for one in (data, *_section(data, "scales").values()):
        sections = [_section(one, key) for key in ("common", "rl", "sft")]
        yield from (part for part in sections if "base" in part)
        yield from (arm for arm in _section(one, "arms").values() if isinstance(arm, dict) and "base" in arm)


def _section(data: Any, key: str) -> Json:
    """Empty where it is none; what it should be is said when the whole is read."""
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def at_scale(file: ExperimentFile, scale: str, path: Path) -> Experiment:
    """`path` gives the name."""
    if scale not in file.scales:
        raise NotFound(f"{path} has no scale '{scale}'; it has {', '.join(file.scales)}")
    what = f"{path}, scale {scale}"
    changes = parse(Changes, _changes(file, scale, what), what)
    suites = _suites(file, changes, what)
    arms = _arms(file, changes, what)
    swept = set(_present(file.arms, changes.arms)) - set(arms)
    for claim in file.claims:
        _check_claim(claim, file, arms, what)
        _check_not_swept(claim, swept, arms, what)
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


def _changes(file: ExperimentFile, scale: str, what: str, above: tuple[str, ...] = ()) -> Json:
    """Of a scale and those over which it lies. `above`: those that lie over it."""
    own = file.scales[scale].model_dump(exclude_unset=True)
    below = own.pop("over", None)
    if below is None:
        return own
    with_place(what, check_known, below, [name for name in file.scales if name != scale], "another scale")
    above = (*above, scale)
    if below in above:
        raise InvalidArgument(f"{what}: 'over' leads in a circle: {' → '.join((*above, below))}")
    return overlaid(_changes(file, below, what, above), own)


def _suites(file: ExperimentFile, changes: Changes, what: str) -> dict[str, Suite]:
    laid = {
        name: overlaid(file.suites.get(name) or {}, changes.suites.get(name) or {})
        for name in _present(file.suites, changes.suites)
    }
    return {name: parse(Suite, suite, f"{what}: suite {name}") for name, suite in laid.items()}


def _arms(file: ExperimentFile, changes: Changes, what: str) -> dict[str, Arm]:
    """Each is common ← arm ← what the scale lays over it, and then spread."""
    arms: dict[str, Arm] = {}
    for name in _present(file.arms, changes.arms):
        place = f"{what}: arm {name}"
        laid = overlaid(file.common, file.arms.get(name) or {})
        algorithm = _section(overlaid(laid, changes.arms.get(name) or {}), "algorithm")
        for layer in changes.of(name, algorithm.get("kind", "")):
            laid = overlaid(laid, layer)
        found = {one: _arm(data, place) for one, data in spread(name, laid, place).items()}
        if twice := sorted(found.keys() & arms.keys()):
            raise InvalidArgument(f"{place}: there are two arms '{twice[0]}', one of a sweep; rename one")
        arms |= found
    return arms


def _present(written: Mapping[str, Json | None], changes: Mapping[str, Json | None]) -> list[str]:
    """Names without those that are null in either."""
    return [
        name for name in {**written, **changes} if None not in (written.get(name, {}), changes.get(name, {}))
    ]


def _arm(data: Json, what: str) -> Arm:
    own = {key: data[key] for key in _OWN_KEYS if key in data}
    run = {key: value for key, value in data.items() if key not in _OWN_KEYS}
    parse(RunRead, run, what)
    return parse(Arm, own | {"run": run}, what)


def _resolved_base(base: Any, folder: Path) -> Any:
    """Absolute paths; those of a cluster are so already."""
    if isinstance(base, dict):
        return {key: _resolved_base(value, folder) for key, value in base.items()}
    return str(resolved(folder, base)) if isinstance(base, str) else base


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


def _check_not_swept(claim: Claim, swept: Set[str], arms: Mapping[str, Arm], what: str) -> None:
    for name in {one.arm for one in measures_of(claim)} & swept:
        names = ", ".join(one for one in arms if one.rpartition("-")[0] == name)
        raise InvalidArgument(f"{what}: claim {claim.name}: arm '{name}' is a sweep; name one of {names}")


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
