"""What a service says of itself: the plugins it hosts, in which versions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.discovery.contract import Kind
from farfield_kernel.errors import FailedPrecondition, Unimplemented, translated

_REFLECTION_SECONDS = 5.0
_CONTRACTS = {Kind.ENVIRONMENT: env.DESCRIPTOR, Kind.VERIFIER: ver.DESCRIPTOR}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A hosted plugin. Two of one digest play, or judge, alike: the same version of the same distribution,
    with the same variants and options."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Description:
    """Plugins by name; of a verifier service also the names of its own reward plans."""

    plugins: Mapping[str, Plugin]
    broken: Mapping[str, str]
    plans: frozenset[str] = frozenset()
    answer: Any = field(default=None, compare=False, repr=False)
    """The message as it came."""


async def described(kind: Kind, config: ClientConfig) -> Description:
    """Asks the service at `config`. FailedPrecondition where it speaks another contract; the message says
    which."""
    async with channel(config) as opened:
        try:
            async with translated():
                return await _ASK[kind](opened)
        except Unimplemented:
            raise FailedPrecondition(await _other_contract(kind, opened)) from None


async def _environments(opened: grpc.aio.Channel) -> Description:
    answer = await EnvironmentServiceStub(opened).Describe(env.DescribeRequest())
    plugins = {
        one.name: Plugin(one.name, one.version, _digest(one.distribution, one.version, one.variants, one))
        for one in answer.environments
    }
    return Description(plugins, _broken(answer), answer=answer)


async def _verifiers(opened: grpc.aio.Channel) -> Description:
    answer = await VerifierServiceStub(opened).Describe(ver.DescribeRequest())
    plugins = {
        one.name: Plugin(one.name, one.version, _digest(one.distribution, one.version, (), one))
        for one in answer.verifiers
    }
    return Description(plugins, _broken(answer), frozenset(answer.plans), answer)


_ASK = {Kind.ENVIRONMENT: _environments, Kind.VERIFIER: _verifiers}


def _broken(answer: Any) -> dict[str, str]:
    return {one.name: one.error for one in answer.broken}


def _digest(distribution: str, version: str, variants: Any, info: Any) -> str:
    whole = hashlib.sha256(f"{distribution}\n{version}\n{info.options_schema_json}".encode())
    for variant in variants:
        whole.update(variant.SerializeToString(deterministic=True))
    return whole.hexdigest()


async def _other_contract(kind: Kind, opened: grpc.aio.Channel) -> str:
    """Why a service that answers does not know our contract, as far as its reflection tells."""
    ours = _CONTRACTS[kind].package
    names = await _reflected(opened)
    package = ours.rpartition(".")[0] + "."
    theirs = sorted({name.rpartition(".")[0] for name in names if name.startswith(package)} - {ours})
    if theirs:
        return (
            f"it speaks {', '.join(theirs)} and this process speaks {ours}: upgrade this deployment, or take "
            "a plugin of the older contract"
        )
    return f"it answers, and does not speak {ours}: is its label farfield.dev/kind right?"


async def _reflected(opened: grpc.aio.Channel) -> list[str]:
    """Names of the services behind a port; none where it has no reflection."""
    stub = reflection_pb2_grpc.ServerReflectionStub(opened)
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    try:
        async for answer in stub.ServerReflectionInfo(iter([request]), timeout=_REFLECTION_SECONDS):
            return [service.name for service in answer.list_services_response.service]
    except grpc.RpcError:
        pass
    return []
