"""From what is to be checked to subjects with their services: ours, started here, or running ones."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_conformance import plugin
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.hosting import hosted
from farfield_conformance.verifier import attempts
from farfield_conformance.verifier.subject import VerifierSubject
from farfield_conformance.wire import channel


@dataclass(frozen=True, slots=True)
class Plan:
    """What is checked, and where it is found. An empty name means none; no address means that the real
    service is started here with the installed plugin."""

    environment: str = ""
    variant: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    """host:port of a running environment service."""
    twin: str = ""
    """host:port of a second process of the same."""
    verifier: str = ""
    verifier_options: Mapping[str, Any] = field(default_factory=dict)
    verifier_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Subjects:
    environment: EnvironmentSubject | None
    verifier: VerifierSubject | None

    def of(self, kind: str) -> EnvironmentSubject | VerifierSubject | None:
        return self.environment if kind == "environment" else self.verifier


@contextmanager
def subjects(plan: Plan) -> Iterator[Subjects]:
    """Ready to be checked; what was started ends with the block."""
    with ExitStack() as stack:
        verifier = stack.enter_context(_verifier(plan)) if plan.verifier else None
        environment = stack.enter_context(_environment(plan, {})) if plan.environment else None
        if environment and verifier:
            environment.verifier = verifier
            verifier.source = lambda: attempts.of_environment(environment)
        yield Subjects(environment, verifier)


@contextmanager
def _environment(plan: Plan, settings: Mapping[str, object]) -> Iterator[EnvironmentSubject]:
    with ExitStack() as stack:
        address, pid = plan.endpoint, None
        found = None if address else plugin.installed(plugin.ENVIRONMENTS, plan.environment)
        if not address:
            service = stack.enter_context(hosted("environment", plan.environment, settings))
            address, pid = service.address, service.pid
        subject = EnvironmentSubject(
            name=plan.environment,
            stub=EnvironmentServiceStub(stack.enter_context(channel(address))),
            variant=plan.variant,
            options=plan.options,
            plugin=found.cls if found else None,
            plugin_error=found.error if found else "",
            another=None if plan.endpoint else lambda more: _environment(plan, more),
            pid=pid,
        )
        if plan.twin:
            other = EnvironmentServiceStub(stack.enter_context(channel(plan.twin)))
            subject.twin = replace(subject, stub=other, _open=[])
        yield subject
        subject.tidy()


@contextmanager
def _verifier(plan: Plan) -> Iterator[VerifierSubject]:
    with ExitStack() as stack:
        address = plan.verifier_endpoint
        found = None if address else plugin.installed(plugin.VERIFIERS, plan.verifier)
        if not address:
            address = stack.enter_context(hosted("verifier", plan.verifier)).address
        cls = found.cls if found else None
        yield VerifierSubject(
            name=plan.verifier,
            stub=VerifierServiceStub(stack.enter_context(channel(address))),
            options=plan.verifier_options,
            plugin=cls,
            plugin_error=found.error if found else "",
            another=None if plan.verifier_endpoint else lambda: _verifier(plan),
            source=lambda: attempts.of_examples(cls),
        )
