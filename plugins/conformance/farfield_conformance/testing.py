"""The checks as tests of pytest: a class that names the plugin.

    from farfield_conformance.testing import Conformance

    class TestGuess(Conformance):
        environment = "guess"
        verifier = "guess"

Each check is a test of its own.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from farfield_conformance import report
from farfield_conformance.check import Check, Level
from farfield_conformance.place import Plan, Subjects
from farfield_conformance.run import Status, result_of


class Conformance:
    """Base of an author's test class; what is left empty is not checked."""

    environment: ClassVar[str] = ""
    """Name of an installed environment."""
    variant: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Any]] = {}
    verifier: ClassVar[str] = ""
    """Name of an installed verifier."""
    verifier_options: ClassVar[Mapping[str, Any]] = {}
    endpoint: ClassVar[str] = ""
    """host:port of a running environment service, in any language; the other two likewise."""
    twin: ClassVar[str] = ""
    verifier_endpoint: ClassVar[str] = ""
    levels: ClassVar[tuple[str, ...]] = tuple(Level)
    waived: ClassVar[Mapping[str, str]] = {}
    """Names of checks that are left out, each with the reason."""

    @classmethod
    def plan(cls) -> Plan:
        """What is checked; a class that starts its own service overrides it."""
        return Plan(
            environment=cls.environment,
            variant=cls.variant,
            options=cls.options,
            endpoint=cls.endpoint,
            twin=cls.twin,
            verifier=cls.verifier,
            verifier_options=cls.verifier_options,
            verifier_endpoint=cls.verifier_endpoint,
        )

    @classmethod
    def kinds(cls) -> list[str]:
        named = {"environment": cls.environment, "verifier": cls.verifier}
        return [kind for kind, name in named.items() if name]

    def test_conforms(self, conformance_check: Check, conformance_subjects: Subjects) -> None:
        __tracebackhide__ = True
        subject = conformance_subjects.of(conformance_check.kind)
        assert subject is not None, "the class names no plugin of this kind"  # noqa: S101
        result = result_of(conformance_check, subject, self.waived)
        if result.status is Status.SKIPPED:
            pytest.skip(result.said)
        if result.status is Status.FAILED:
            pytest.fail("\n".join(report.explained(result)), pytrace=False)
