"""A session in this process: an object of an OpenEnv environment class."""

import asyncio
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ValidationError

from farfield_openenv.adapter.link import Answer, EnvironmentFault, Refused, answer_of


class Local:
    """Plain methods run on a thread of the session's own, since some environments insist on one; coroutines
    run on the loop."""

    def __init__(self, path: str) -> None:
        self._cls = _imported(path)
        self._action = _action_class(self._cls)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="openenv")
        self._environment: Any = None

    async def reset(self, data: Mapping[str, Any]) -> Answer:
        if self._environment is None:
            self._environment = await self._call(self._cls)
        method = self._method("reset")
        return await self._answer(method, **_accepted(method, data))

    async def step(self, action: Mapping[str, Any]) -> Answer:
        try:
            given = self._action.model_validate(dict(action))
        except ValidationError as error:
            raise Refused("Invalid message", [*error.errors()]) from error
        return await self._answer(self._method("step"), given)

    async def close(self) -> None:
        environment, self._environment = self._environment, None
        if environment is not None:
            await self._call(environment.close)
        self._thread.shutdown(wait=False)

    def _method(self, name: str) -> Callable[..., Any]:
        """The coroutine where the class has one of its own; OpenEnv's base class has one that blocks."""
        coroutine = getattr(self._environment, f"{name}_async", None)
        if coroutine and not coroutine.__module__.startswith("openenv.core."):
            return coroutine
        return getattr(self._environment, name)

    async def _answer(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Answer:
        try:
            observation = await self._call(method, *args, **kwargs)
        except Exception as error:  # whatever the environment raises
            raise EnvironmentFault(f"{self._cls.__name__} raised {type(error).__name__}: {error}") from error
        if not isinstance(observation, BaseModel):
            raise EnvironmentFault(f"{self._cls.__name__} answered {type(observation).__name__}")
        shown = observation.model_dump(mode="json")
        reward, done = shown.pop("reward", None), shown.pop("done", False)
        return answer_of({"observation": shown, "reward": reward, "done": done})

    async def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))


def _imported(path: str) -> type:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EnvironmentFault(f"cannot import {path!r} (module:Class): {error}") from error


def _action_class(cls: Any) -> type[BaseModel]:
    """What `step` says that it takes."""
    hints = typing.get_type_hints(cls.step)
    names = [name for name in inspect.signature(cls.step).parameters if name != "self"]
    action = hints.get(names[0]) if names else None
    if not (isinstance(action, type) and issubclass(action, BaseModel)):
        raise EnvironmentFault(
            f"{cls.__name__}.step does not say which class of actions it takes: annotate it"
        )
    return action


def _accepted(method: Callable[..., Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Without the seed where the environment takes none, as OpenEnv's servers do it."""
    parameters = inspect.signature(method).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return {name: value for name, value in data.items() if takes_all or name in parameters or name != "seed"}
