"""The environment `openenv`: one session here is one session there."""

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

from farfield_openenv.adapter.actions import NoAction, action_of, blamed
from farfield_openenv.adapter.link import Answer, EnvironmentFault, Link, Refused
from farfield_openenv.adapter.local import Local
from farfield_openenv.adapter.options import OpenEnvOptions
from farfield_openenv.adapter.remote import Remote
from farfield_openenv.adapter.rendering import message_of, metrics_of
from farfield_sdk import Environment, Observation, Outcome, Start, State, user


class OpenEnv(Environment[OpenEnvOptions]):
    """An environment behind OpenEnv's protocol, on a server or in this process.

    As reproducible as what is behind it: a session is restored by its seed and responses, and a different
    history is found out.
    """

    name = "openenv"
    version = "1.0.0"
    Options = OpenEnvOptions
    modalities = frozenset({"text", "image"})
    executor = "async"

    async def reset(self, seed: int) -> Start:  # type: ignore[override]  # coroutines, by its executor
        options = self.options
        self._turns = 0
        self._link: Link = Remote(options.url) if options.url else Local(options.local)
        _close_with(self, self._link)
        answer = await self._safely(self._link.reset({**options.reset, "seed": seed % 2**options.seed_bits}))
        if answer.done:
            raise EnvironmentFault("the episode is over before its first turn: see the option 'reset'")
        opening = message_of(answer.observation, options, before=options.instructions)
        return Start(Observation((opening,)), _facts(None))

    async def step(self, response: str) -> Outcome:  # type: ignore[override]
        self._turns += 1
        try:
            answer = await self._safely(self._play(response))
        except NoAction as fault:
            return Outcome(
                self._cut_off(),
                observation=Observation((user(str(fault)),)),
                facts=_facts(None, malformed=True),
            )
        state = self._state(answer)
        if state is not State.CONTINUE:
            await self._link.close()
        return Outcome(
            state,
            success=state is not State.CONTINUE and self._succeeded(answer),
            observation=Observation((message_of(answer.observation, self.options),)),
            facts=_facts(answer.reward),
            metrics=metrics_of(answer.metadata),
        )

    async def _play(self, response: str) -> Answer:
        action = action_of(response, self.options)
        try:
            return await self._link.step(action)
        except Refused as refused:
            raise blamed(refused, self.options) from refused

    async def _safely(self, call: Any) -> Answer:
        """A session that failed is not used again: its room over there is given back at once."""
        try:
            return await call
        except NoAction:
            raise
        except BaseException:
            await self._link.close()
            raise

    def _state(self, answer: Answer) -> State:
        if not answer.done:
            return self._cut_off()
        return State.TRUNCATED if answer.metadata.get("truncated") is True else State.TERMINATED

    def _cut_off(self) -> State:
        return State.TRUNCATED if self._turns >= self.options.max_turns else State.CONTINUE

    def _succeeded(self, answer: Answer) -> bool:
        said = answer.metadata.get("success")
        if isinstance(said, bool):
            return said
        return answer.done and answer.reward is not None and answer.reward >= self.options.success_reward


def _facts(reward: float | None, malformed: bool = False) -> Mapping[str, Any]:
    """What the verifier `openenv` passes on."""
    return {"reward": reward, "malformed": malformed}


_closing: set[asyncio.Task[None]] = set()


def _close_with(session: OpenEnv, link: Link) -> None:
    """The service lets go of a session without a word, and what it has over there must not outlive it."""
    loop = asyncio.get_running_loop()

    def close() -> None:
        task = loop.create_task(link.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    def close_soon() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(close)

    weakref.finalize(session, close_soon).atexit = False
