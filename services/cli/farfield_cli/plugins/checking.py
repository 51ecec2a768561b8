"""A plugin against the conformance checks, and what a person sees of it."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from farfield_cli.terminal import say
from farfield_conformance import plugin, report
from farfield_conformance.catalog import checks
from farfield_conformance.check import Level
from farfield_conformance.place import Plan, Subjects, subjects
from farfield_conformance.run import Result, Status, Waived, ran
from farfield_kernel.errors import InvalidArgument, NotFound

KINDS = ("environment", "verifier")


def completed(plan: Plan) -> Plan:
    """The plan, with the verifier that is named as the environment; of a name that only a verifier has, that
    verifier alone."""
    environments = entry_points(group=plugin.ENVIRONMENTS).names
    verifiers = entry_points(group=plugin.VERIFIERS).names
    name = plan.environment
    chosen = plan.verifier or (name if name in verifiers or plan.verifier_endpoint else "")
    if plan.endpoint or name in environments:
        return replace(plan, verifier=chosen)
    if name not in verifiers and not plan.verifier_endpoint:
        known = ", ".join(sorted({*environments, *verifiers})) or "none"
        raise NotFound(
            f"no plugin '{name}' is installed, and no --endpoint is given; installed: {known}. After a "
            "change of pyproject.toml install the distribution again: pip install -e ."
        )
    return replace(plan, environment="", verifier=chosen)


def checked(plan: Plan, levels: Sequence[Level], waived: Waived, junit: Path | None) -> bool:
    """Runs the checks, tells of each as it comes, and says whether none failed."""
    _check_names(waived)
    with subjects(plan) as found:
        results = [result for kind in KINDS for result in _of_kind(found, kind, levels, waived)]
    say(f"\n{report.summary(results)}")
    if junit:
        junit.write_text(report.junit(results, plan.environment or plan.verifier))
    return not any(one.status is Status.FAILED for one in results)


def _of_kind(found: Subjects, kind: str, levels: Sequence[Level], waived: Waived) -> list[Result]:
    subject, results, group = found.of(kind), [], ""
    if subject is None:
        return []
    for result in ran(checks(kind, levels), subject, waived):
        if group != report.heading(result.check):
            group = report.heading(result.check)
            say(f"\n{group}")
        for line in report.lines(result):
            say(f"  {line}")
        results.append(result)
    return results


def _check_names(waived: Waived) -> None:
    known = {check.name for kind in KINDS for check in checks(kind)}
    if unknown := sorted(set(waived) - known):
        raise InvalidArgument(f"no check is named {', '.join(unknown)}; there are {', '.join(sorted(known))}")
