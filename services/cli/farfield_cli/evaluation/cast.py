"""Who takes part, as the services describe themselves; and whether they can play the suite at all."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from farfield.environment.v1 import environment_pb2 as env
from farfield.policy.v1 import policy_pb2
from farfield.policy.v1.policy_pb2_grpc import PolicyServiceStub
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield_cli.evaluation.place import Place
from farfield_cli.evaluation.plan import EvalPlan
from farfield_cli.evaluation.suites import ROLES, Part, Shift, Suite
from farfield_cli.services import Services
from farfield_cli.ways import way_to
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.errors import FailedPrecondition, NotFound, Unavailable, Unimplemented, translated
from farfield_kernel.seeds import evaluation_seed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cast:
    policy: policy_pb2.DescribeResponse
    environment: env.EnvironmentInfo
    verifier: ver.VerifierInfo


async def meet(place: Place, services: Services, environment: str) -> Cast:
    """The descriptions of all three. An error names the service that is not there, or is another."""
    policy = await _asked("policy", place.policy.address, lambda: described(place.policy))
    hosted = await _asked("environment", place.environment.address, lambda: services.environment(environment))
    judges = await _asked("verifier", place.verifier.address, services.verifiers)
    for judge in judges.verifiers:
        if judge.name == environment:
            return Cast(policy, hosted, judge)
    names = ", ".join(judge.name for judge in judges.verifiers) or "none"
    raise NotFound(f"no verifier is named '{environment}'; hosted at {place.verifier.address}: {names}")


async def described(where: str | ClientConfig) -> policy_pb2.DescribeResponse:
    async with channel(way_to(where)) as opened, translated():
        return await PolicyServiceStub(opened).Describe(policy_pb2.DescribeRequest())


async def _asked(kind: str, address: str, ask: Callable[[], Awaitable[T]]) -> T:
    try:
        return await ask()
    except Unavailable:
        raise Unavailable(
            f"no {kind} service answers at {address}: is it running, and is the port right? "
            f"`farfield up` or `farfield-{kind}` starts one"
        ) from None
    except Unimplemented:
        raise FailedPrecondition(
            f"what answers at {address} is no {kind} service; `farfield status` shows which port is whose"
        ) from None


def parts_of(info: env.EnvironmentInfo, variants: tuple[str, ...]) -> tuple[Part, ...]:
    """Variants with the roles that the environment gives them: those named, or all that are ID or OOD."""
    shifts: dict[str, Shift] = {"id": "id", "ood": "ood"}
    roles = {variant.name: variant.role for variant in info.variants}
    for name in variants:
        _known(info, name)
    chosen = variants or tuple(name for name, role in roles.items() if role in shifts)
    return tuple(Part(name, shifts.get(roles[name], "other")) for name in chosen)


def check_roles(info: env.EnvironmentInfo, suite: Suite) -> None:
    """The suite's table and the environment agree on what each variant is."""
    for part in suite.parts:
        role = _known(info, part.variant).role
        if role != ROLES[part.shift]:
            raise FailedPrecondition(
                f"suite {suite.name} takes {info.name}/{part.variant} for '{ROLES[part.shift]}', and the "
                f"environment {info.version} says '{role}': they are of different versions"
            )


def _known(info: env.EnvironmentInfo, name: str) -> env.Variant:
    for variant in info.variants:
        if variant.name == name:
            return variant
    known = ", ".join(variant.name for variant in info.variants)
    raise NotFound(f"environment {info.name} {info.version} has no variant '{name}'; it has {known}")


async def check_playable(services: Services, cast: Cast, plan: EvalPlan) -> None:
    """Opens one session of each variant and resolves the reward: whatever every episode would fail of is
    said now, in one line."""
    await services.verify_plan(plan.reward)
    for variant, ref in plan.environments.items():
        started = await _look(services, ref, evaluation_seed(plan.seed, 0))
        if _shows_images(started.observation) and not cast.policy.capabilities.images:
            raise FailedPrecondition(
                f"variant {variant} shows pictures, and the policy (engine '{cast.policy.engine}') takes "
                "none: evaluate a vision-language checkpoint, or a suite of text (gp-l, virl-l)"
            )


async def _look(services: Services, ref: env.EnvironmentRef, seed: int) -> env.Started:
    """The start of an episode that nobody plays."""
    name = f"eval-look-{secrets.token_hex(4)}"
    started = await services.create(ref, name, seed)
    await services.close(name)
    return started


def _shows_images(observation: env.Observation) -> bool:
    return any(
        part.WhichOneof("kind") == "image" for message in observation.messages for part in message.parts
    )
