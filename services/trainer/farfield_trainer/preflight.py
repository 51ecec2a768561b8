"""Checks of a run before it starts, by asking those who will have to serve it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farfield.environment.v1.environment_pb2 import (
    CloseSessionsRequest,
    CreateSessionsRequest,
    EnvironmentRef,
    NewSession,
)
from farfield.verifier.v1.verifier_pb2 import RewardPlan, VerifyRequest
from farfield_kernel.errors import FailedPrecondition, FarfieldError, translated
from farfield_kernel.images import images_of
from farfield_kernel.seeds import evaluation_seed
from farfield_kernel.weights import MANIFEST, verify
from farfield_trainer.peers import Peers
from farfield_trainer.run_config import RlAlgorithm, RunConfig

_SECONDS = 30.0


class Preflight:
    """A service that is not given is not asked."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def check(self, run_id: str, config: RunConfig) -> None:
        """Raises the error that the run would meet later, with the same code and message."""
        for place, folder in _checkpoints(config):
            with _at(place):
                check_checkpoint(folder)
        if config.algorithm.kind == "sft" and config.updates and self._peers.environment is None:
            raise FailedPrecondition(
                "this trainer knows no environment service to take demonstrations from: "
                "set environment.address in its configuration"
            )
        for number, (place, ref) in enumerate(_environments(config)):
            with _at(place):
                await self._check_environment(f"preflight/{run_id}/{number}", ref, config.base)
        for place, plan in _rewards(config):
            with _at(place):
                await self._check_reward(plan)

    async def _check_environment(self, session: str, ref: EnvironmentRef, base: Path) -> None:
        if self._peers.environment is None:
            return
        service = await self._peers.environment(ref)
        wanted = NewSession(session_id=session, seed=evaluation_seed(0, 0))
        request = CreateSessionsRequest(environment=ref, sessions=[wanted])
        async with translated():
            created = await service.CreateSessions(request, timeout=_SECONDS)
            closing = CloseSessionsRequest(session_ids=[session])
            await service.CloseSessions(closing, timeout=_SECONDS)
        shown = [image for started in created.sessions for image in images_of(started.observation.messages)]
        if shown and not has_eyes(base):
            raise FailedPrecondition(
                f"'{ref.name}' shows images and the model in {base} takes none: choose a "
                "vision-language base or a variant in text"
            )

    async def _check_reward(self, plan: RewardPlan) -> None:
        if self._peers.verifier is not None:
            service = await self._peers.verifier(plan)
            async with translated():
                answer = await service.Verify(VerifyRequest(plan=plan), timeout=_SECONDS)
            if answer.whole_groups:
                raise FailedPrecondition(
                    "a verifier of this plan compares whole groups, and a run judges each turn as it is "
                    "played: take verifiers that judge an attempt by itself"
                )


def has_eyes(base: Path) -> bool:
    """Whether a checkpoint's config names a vision tower; torch is not needed to tell."""
    return "vision_config" in json.loads((base / "config.json").read_text())


def _checkpoints(config: RunConfig) -> Iterator[tuple[str, Path]]:
    yield "base", config.base
    if isinstance(config.algorithm, RlAlgorithm) and config.algorithm.kl.reference:
        yield "algorithm.kl.reference", config.algorithm.kl.reference


def _environments(config: RunConfig) -> Iterator[tuple[str, EnvironmentRef]]:
    yield "environment", config.environment.ref()
    for name, suite in config.evaluation.suites.items():
        yield f"evaluation.suites.{name}.environment", suite.environment.ref()


def _rewards(config: RunConfig) -> Iterator[tuple[str, RewardPlan]]:
    if config.reward:
        yield "reward", config.reward_plan()
    for name, suite in config.evaluation.suites.items():
        if suite.reward:
            yield f"evaluation.suites.{name}.reward", config.suite_reward(suite)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Says in which part of the config an error is."""
    try:
        yield
    except FarfieldError as error:
        raise type(error)(f"{place}: {error}", retry_after=error.retry_after) from error


def check_checkpoint(folder: Path) -> None:
    """A folder that could be a checkpoint. A sealed one has to be whole."""
    if not folder.is_dir():
        raise FailedPrecondition(f"{folder} is not a folder; give a checkpoint in Hugging Face format")
    if (folder / MANIFEST).exists():
        verify(folder)
    if not (folder / "config.json").exists():
        raise FailedPrecondition(f"{folder} has no config.json; give a checkpoint in Hugging Face format")
