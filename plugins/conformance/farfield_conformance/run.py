"""Runs checks and tells what came of each."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import grpc

from farfield_conformance.check import Check, Failed, Skipped
from farfield_conformance.codes import code_of, details_of
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.verifier.subject import VerifierSubject

Subject = EnvironmentSubject | VerifierSubject
Waived = Mapping[str, str]
"""Names of checks that are left out, and why."""


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """`said`: what came instead, why it was skipped, or a remark."""

    check: Check
    status: Status
    said: str = ""
    seconds: float = field(default=0.0, compare=False)


def ran(checks: Iterable[Check], subject: Subject, waived: Waived | None = None) -> Iterator[Result]:
    """The result of each, as it comes."""
    for check in checks:
        yield result_of(check, subject, waived or {})


def result_of(check: Check, subject: Subject, waived: Waived) -> Result:
    began = time.monotonic()
    if check.name in waived:
        return Result(check, Status.SKIPPED, f"waived: {waived[check.name]}")
    try:
        status, said = Status.PASSED, check.run(subject) or ""
    except Skipped as skipped:
        status, said = Status.SKIPPED, str(skipped)
    except Failed as failed:
        status, said = Status.FAILED, str(failed)
    except grpc.RpcError as error:
        status, said = Status.FAILED, f"a call came to {code_of(error)}: {details_of(error)}"
    except Exception as error:  # the plugin's class is called too, and it may raise anything
        status, said = Status.FAILED, f"{type(error).__name__}: {error}"
    _tidy(subject)
    return Result(check, status, said, time.monotonic() - began)


def _tidy(subject: Subject) -> None:
    """A service that is gone has nothing to close."""
    if isinstance(subject, EnvironmentSubject):
        try:
            subject.tidy()
        except grpc.RpcError:
            return
