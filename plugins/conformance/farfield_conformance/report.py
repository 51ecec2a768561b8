"""Results for a person, and as a JUnit file."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from farfield_conformance.check import Check
from farfield_conformance.run import Result, Status

_MARKS = {Status.PASSED: "ok  ", Status.FAILED: "FAIL", Status.SKIPPED: "skip"}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def heading(check: Check) -> str:
    """Of a group of checks."""
    return f"{check.kind}, {check.level}"


def lines(result: Result) -> list[str]:
    """One line; of a failed check also what was expected, what came and what to do."""
    check, said = result.check, printable(result.said)
    if result.status is Status.FAILED:
        return [f"{_MARKS[result.status]}  {check.name}", *(f"      {line}" for line in explained(result))]
    return [f"{_MARKS[result.status]}  {check.name}" + (f": {said}" if said else "")]


def explained(result: Result) -> list[str]:
    """A failed check in three lines."""
    check = result.check
    return [
        f"expected: {check.expected}",
        f"came:     {printable(' '.join(result.said.split()))}",
        f"to do:    {check.cure}",
    ]


def summary(results: Sequence[Result]) -> str:
    """How many of each, the failed ones by name."""
    counts = {status: sum(one.status is status for one in results) for status in Status}
    failed = [one.check.id for one in results if one.status is Status.FAILED]
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    return said + (f": {', '.join(failed)}" if failed else "")


def junit(results: Sequence[Result], name: str) -> str:
    """A test suite in the form that CI systems read."""
    suite = ElementTree.Element("testsuite", name=name, tests=str(len(results)))
    for status, attribute in ((Status.FAILED, "failures"), (Status.SKIPPED, "skipped")):
        suite.set(attribute, str(sum(one.status is status for one in results)))
    suite.set("time", f"{sum(one.seconds for one in results):.3f}")
    for one in results:
        _case(suite, one)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _case(suite: ElementTree.Element, result: Result) -> None:
    check = result.check
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{check.kind}.{check.level}",
        name=check.name,
        time=f"{result.seconds:.3f}",
    )
    if result.status is Status.FAILED:
        failure = ElementTree.SubElement(case, "failure", message=printable(result.said))
        failure.text = "\n".join(explained(result))
    elif result.status is Status.SKIPPED:
        ElementTree.SubElement(case, "skipped", message=printable(result.said))
    elif result.said:
        ElementTree.SubElement(case, "system-out").text = printable(result.said)


def printable(text: str) -> str:
    """Without what a terminal would obey and XML cannot hold."""
    return _NO_XML.sub("\ufffd", text)
