from xml.etree import ElementTree

import pytest

from farfield_conformance import report
from farfield_conformance.catalog import checks
from farfield_conformance.check import Level, environment_check
from farfield_conformance.run import Result, Status


@environment_check(Level.WIRE)
def a_gap_is_refused(subject: object) -> None:
    """A gap is
    refused.

    Count turns.
    """


PASSED = Result(a_gap_is_refused, Status.PASSED, "9 turns", 1.5)
FAILED = Result(a_gap_is_refused, Status.FAILED, "turn \x1b[31m3 & 4\x00", 0.25)
SKIPPED = Result(a_gap_is_refused, Status.SKIPPED, "no turns")


def test_a_check_is_made_of_its_docstring() -> None:
    assert a_gap_is_refused.id == "environment/wire/a-gap-is-refused"
    assert (a_gap_is_refused.expected, a_gap_is_refused.cure) == ("A gap is refused.", "Count turns.")


def test_a_docstring_without_a_cure_is_refused() -> None:
    def half(subject: object) -> None:
        """Says what, not what to do."""

    with pytest.raises(TypeError, match="half: its docstring"):
        environment_check(Level.API)(half)


def test_lines_for_a_person() -> None:
    assert report.lines(PASSED) == ["ok    a-gap-is-refused: 9 turns"]
    assert report.lines(SKIPPED) == ["skip  a-gap-is-refused: no turns"]
    assert report.lines(FAILED) == [
        "FAIL  a-gap-is-refused",
        "      expected: A gap is refused.",
        "      came:     turn �[31m3 & 4�",
        "      to do:    Count turns.",
    ]
    said = report.summary([PASSED, FAILED, SKIPPED])
    assert said == "1 passed, 1 failed, 1 skipped: environment/wire/a-gap-is-refused"


def test_junit() -> None:
    suite = ElementTree.fromstring(report.junit([PASSED, FAILED, SKIPPED], "game"))  # noqa: S314
    counts = [suite.get(name) for name in ("name", "tests", "failures", "skipped", "time")]
    assert counts == ["game", "3", "1", "1", "1.750"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "turn �[31m3 & 4�"
    assert "to do:    Count turns." in (failure.text or "")


@pytest.mark.parametrize("kind", ["environment", "verifier"])
def test_checks_have_names_of_their_own_and_climb_the_levels(kind: str) -> None:
    found = checks(kind)
    assert len({check.name for check in found}) == len(found)
    levels = [list(Level).index(check.level) for check in found]
    assert levels == sorted(levels)
    assert [check.level for check in checks(kind, [Level.API])] == [Level.API] * len(
        checks(kind, [Level.API])
    )
