"""Batches of expert demonstrations from the environment service, one batch ahead of training."""

import asyncio
import logging

from farfield.environment.v1.environment_pb2 import DemonstrateRequest, DemonstrateResponse
from farfield.types.v1.types_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, Message
from farfield_kernel.errors import DeadlineExceeded, Unavailable, translated
from farfield_model.chat import Content
from farfield_model.images import ImageFile
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.peers import EnvironmentOf
from farfield_trainer.planning import demonstration_seed
from farfield_trainer.run_config import DemonstrationConfig, RunConfig

log = logging.getLogger(__name__)

_ROLES = {ROLE_SYSTEM: "system", ROLE_USER: "user", ROLE_ASSISTANT: "assistant"}
_DEADLINE_SECONDS = 120.0
_FIRST_DELAY, _LAST_DELAY = 0.2, 5.0


class Demonstrations:
    """The batches of one run, by update."""

    def __init__(self, service_of: EnvironmentOf, config: RunConfig) -> None:
        self._service_of, self._config = service_of, config
        self._ahead: tuple[int, asyncio.Task[list[SupervisedSample]]] | None = None

    async def batch(self, update: int) -> list[SupervisedSample]:
        """The demonstrations of an update; those of the next are fetched meanwhile."""
        if self._ahead and self._ahead[0] == update:
            samples = await self._ahead[1]
        else:
            samples = await self._fetch(update)
        if update + 1 < self._config.updates:
            self._ahead = update + 1, asyncio.create_task(self._fetch(update + 1))
        return samples

    async def close(self) -> None:
        if self._ahead:
            self._ahead[1].cancel()
            await asyncio.gather(self._ahead[1], return_exceptions=True)

    async def _fetch(self, update: int) -> list[SupervisedSample]:
        """Waits for a service that is away or slow; any other error is the run's."""
        delay = _FIRST_DELAY
        while True:
            try:
                return await self._ask(update)
            except (Unavailable, DeadlineExceeded) as error:
                log.warning("waiting for demonstrations: %s", error)
            await asyncio.sleep(delay)
            delay = min(_LAST_DELAY, 2 * delay)

    async def _ask(self, update: int) -> list[SupervisedSample]:
        chosen = self._config.demonstrations
        assert isinstance(chosen, DemonstrationConfig)  # noqa: S101 - the config's validation demands it
        request = DemonstrateRequest(
            environment=self._config.environment.ref(),
            seed=demonstration_seed(self._config, update),
            count=chosen.batch_size,
            style=chosen.style,
        )
        service = await self._service_of(request.environment)
        async with translated():
            answers = service.Demonstrate(request, timeout=_DEADLINE_SECONDS)
            return [supervised(answer) async for answer in answers]


def supervised(answer: DemonstrateResponse) -> SupervisedSample:
    """A demonstration as the learner takes it."""
    messages = [(_ROLES[message.role], content_of(message)) for message in answer.messages]
    return SupervisedSample(messages, list(answer.weights))


def content_of(message: Message) -> Content:
    """Text, or text and images in their order."""
    parts = [
        ImageFile(part.image.sha256, part.image.data) if part.HasField("image") else part.text
        for part in message.parts
    ]
    if all(isinstance(part, str) for part in parts):
        return "".join(part.text for part in message.parts)
    return tuple(parts)
