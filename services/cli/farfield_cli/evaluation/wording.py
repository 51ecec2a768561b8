"""Figures as people read them: one table for the terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from farfield_cli.evaluation.result import PERCENT, Json, Result
from farfield_cli.evaluation.suites import LABELS, Shift
from farfield_kernel.estimates import Estimate

TITLES = {
    "success": "solved, %",
    "step_accuracy": "steps right, %",
    "recognition": "recognised, %",
    "attempt_1": "first attempt right, %",
    "attempt_2": "second attempt right, %",
    "correction": "gained by correction, points",
    "wrong_to_right": "wrong → right, %",
    "right_to_wrong": "right → wrong, %",
    "unchanged": "answered the same again, %",
    "turns": "turns",
    "reward": "reward",
}
GAP = "  ID − this"


@dataclass(frozen=True, slots=True)
class Grid:
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def shown(measure: str, estimate: Estimate | None, *, signed: bool = False) -> str:
    """63.1 ± 2.8 for a share in percent, 2.31 ± 0.05 for a mean; a dash where there is nothing."""
    if estimate is None or not estimate.n:
        return "–"
    scale, digits = (100, 1) if measure in PERCENT else (1, 2)
    sign = "+" if signed else ""
    return f"{scale * estimate.value:{sign}.{digits}f} ± {scale * estimate.stderr:.{digits}f}"


def results(result: Result) -> Grid:
    """A column for each variant; below each share, how much ID is above it."""
    measures = {name: one.measures for name, one in result.variants.items()}
    gaps = {(one.second, one.measure): one.estimate for one in result.differences}
    rows: list[tuple[str, ...]] = []
    for measure, title in TITLES.items():
        if any(measure in found for found in measures.values()):
            rows.append((title, *(shown(measure, measures[name].get(measure)) for name in measures)))
        if any(key[1] == measure for key in gaps):
            rows.append((GAP, *(_gap(measure, gaps.get((name, measure))) for name in measures)))
    graded = ("graded episodes", *(f"{found['success'].n:,}" for found in measures.values()))
    broken = ("failed episodes", *(failed(one.failed) for one in result.variants.values()))
    return Grid(
        ("", *(headed(name, one.shift) for name, one in result.variants.items())), (*rows, graded, broken)
    )


def headed(variant: str, shift: Shift) -> str:
    return f"{variant} ({LABELS[shift]})"


def _gap(measure: str, estimate: Estimate | None) -> str:
    return "" if estimate is None else shown(measure, estimate, signed=True)


def failed(classes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in classes.items()) or "0"


def reasons(result: Result) -> list[str]:
    """An example of every class of failure."""
    first = {
        (name, outcome.failure): outcome.detail
        for name, one in result.variants.items()
        for outcome in reversed(one.outcomes)
        if outcome.failure
    }
    return [f"{name}, failed ({kind.replace('_', ' ')}): {detail}" for (name, kind), detail in first.items()]


def subject(about: Json) -> str:
    """Who was measured, in a few words."""
    policy = about["policy"]
    weights = policy["weights"]
    size = f"{policy['parameters'] / 1e6:.2f} M parameters" if policy["parameters"] else "size unknown"
    name = policy.get("model", "").rsplit("/", 1)[-1] or weights["run_id"] or "the policy"
    return f"{name}, version {weights['version']} ({policy['engine']}, {size})"


def conditions(about: Json) -> str:
    settings, sampling = about["settings"], about["sampling"]
    prompt = f"{about['prompt']} prompt, " if about["prompt"] else ""
    return (
        f"{settings['episodes']:,} episodes a variant, seed {settings['seed']}, {prompt}temperature "
        f"{sampling['temperature']:g}, at most {sampling['max_new_tokens']} tokens a response"
    )


def markdown(result: Result) -> str:
    about = result.about
    parts = (
        f"# {result.suite}: {about['summary']}",
        f"{subject(about)}; {conditions(about)}. ± is one standard error; a failed episode has no grade and "
        "is in no figure.",
        _table(results(result)),
        _table(Grid(("", ""), tuple(provenance(about)))),
    )
    return "\n\n".join(parts) + "\n"


def provenance(about: Json) -> Sequence[tuple[str, str]]:
    policy, weights = about["policy"], about["policy"]["weights"]
    rows = [
        (
            "made",
            f"{about['created']}, in {about['seconds']:g} s, by farfield {about['versions']['farfield']}",
        ),
        *((kind, f"{about[kind]['name']} {about[kind]['version']}") for kind in ("environment", "verifier")),
        ("policy", f"{policy['engine']}, weights '{weights['run_id']}' version {weights['version']}"),
        ("checkpoint", policy.get("fingerprint", "")),
        ("digest of the weights", weights["digest"]),
    ]
    return [(name, value) for name, value in rows if value]


def _table(grid: Grid) -> str:
    rules = ("---", *("---:" for _ in grid.heading[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (grid.heading, rules, *grid.rows))
