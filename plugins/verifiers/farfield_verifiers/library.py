"""The one module that knows the library: tasks of a taskset, and the score of a reply to one.

Served are tasks that a prompt and a reply make up. All else (tools, containers, users that answer, episodes
of a taskset's own, judges that are models) needs the library's own runtime, and is refused by name.
"""

import asyncio
import inspect
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from verifiers.v1.configs.agent import AgentConfig
from verifiers.v1.envs.single_agent import SingleAgentEnv
from verifiers.v1.graph import MessageNode
from verifiers.v1.task import Task
from verifiers.v1.trace import AgentInfo, Trace, TraceTask
from verifiers.v1.types import AssistantMessage, SystemMessage, UserMessage
from verifiers.v1.utils import loaders
from verifiers.v1.utils.decorators import discover_decorated

from farfield_sdk import Role, Split, in_split


class NotServed(Exception):
    """The taskset needs more than a prompt and a reply."""


@dataclass(frozen=True, slots=True)
class Score:
    """`terms` are the weighted rewards that `reward` is the sum of; `metrics` stand beside it."""

    reward: float
    terms: Mapping[str, float]
    metrics: Mapping[str, float]


def tasks(taskset: str, config: Mapping[str, Any], limit: int, split: Split) -> list[Task]:
    """Of the first so many those of the split. Loaded once in a process."""
    return _in_split(taskset, json.dumps(config, sort_keys=True), limit, split)


@lru_cache(maxsize=24)
def _in_split(taskset: str, config: str, limit: int, split: Split) -> list[Task]:
    loaded = _tasks(taskset, config, limit)
    found = [task for task in loaded if in_split("\n".join(text for _, text in prompt(task)), split)]
    if not found:
        raise NotServed(f"taskset '{taskset}' has no task in the split '{split}'")
    return found


@lru_cache(maxsize=8)
def _tasks(taskset: str, config: str, limit: int) -> list[Task]:
    given = _config(taskset, json.loads(config))
    loaded = loaders.load_taskset(given)
    if loaded.INFINITE and not limit:
        raise NotServed(f"taskset '{taskset}' is endless: set the option 'limit'")
    if loaders.environment_class(taskset) is not SingleAgentEnv or type(loaded).toolsets(given):
        raise NotServed(f"taskset '{taskset}' has tools, or plays episodes of its own")
    found = list(itertools.islice(loaded, limit or None))
    for task in found:
        if reasons := list(_more_than_a_reply(task)):
            raise NotServed(f"taskset '{taskset}', task {task.data.idx}: {'; '.join(reasons)}")
    return found


def prompt(task: Task) -> list[tuple[Role, str]]:
    """(role, text) of each message."""
    data = task.data
    before: list[tuple[Role, str]] = [("system", data.system_prompt)] if data.system_prompt else []
    if isinstance(data.prompt, str):
        return [*before, ("user", data.prompt)]
    return [*before, *((message.role, message.content) for message in data.prompt or ())]


def score(taskset: str, config: Mapping[str, Any], data: Mapping[str, Any], reply: str) -> Score:
    """By the task's own functions. Raises what they raise, and where one has not judged."""
    cls = loaders.task_type(taskset)
    task = cls(cls.data_type().model_validate(data), _config(taskset, config).task)
    trace = _trace(task, reply)
    asyncio.run(task.score(trace))
    unjudged = [name for name, reward in trace.rewards.items() if reward is None]
    if unjudged or not trace.rewards:
        raise RuntimeError(f"no reward of {', '.join(unjudged) or 'any function'}")
    terms = {name: reward.value for name, reward in trace.rewards.items() if reward}
    metrics = {name: float(value) for name, value in trace.metrics.items() if value is not None}
    return Score(sum(terms.values()), terms, metrics)


def _config(taskset: str, config: Mapping[str, Any]) -> Any:
    return loaders.taskset_config_type(taskset).model_validate({**config, "id": taskset})


def _trace(task: Task, reply: str) -> Trace:
    """The record of a rollout of one turn, as the library's own functions read it."""
    kinds: dict[str, Any] = {"system": SystemMessage, "user": UserMessage, "assistant": AssistantMessage}
    asked = [kinds[role](content=text) for role, text in prompt(task)]
    nodes = [MessageNode(parent=n - 1 if n else None, message=message) for n, message in enumerate(asked)]
    answer = AssistantMessage(content=reply)
    nodes.append(MessageNode(parent=len(asked) - 1, message=answer, sampled=True))
    record = TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash)
    agent = AgentInfo(config=AgentConfig())
    return Trace(task=record, agent=agent, nodes=nodes, is_completed=True, ok=True)


def _more_than_a_reply(task: Task) -> Iterator[str]:
    """What the task needs that is not served."""
    data, cls = task.data, type(task)
    if data.prompt is None or not all(isinstance(text, str) for _, text in prompt(task)):
        yield "its prompt is not text alone"
    if cls.NEEDS_CONTAINER or data.image or data.skills or cls.toolsets(task.config):
        yield "it needs a container, skills or tools"
    hooks = [
        name
        for name in ("setup", "finalize", "stage_verifier")
        if getattr(cls, name) is not getattr(Task, name)
    ]
    if hooks or discover_decorated(task, "intercept"):
        yield f"it acts beside the reply ({', '.join(hooks) or 'intercept'})"
    rewards = task.hooks("reward")
    if not rewards or task.plugged_judges():
        yield "its rewards are not functions"
    needy = [hook.__name__ for hook in (*rewards, *task.hooks("metric")) if _needs_runtime(hook)]
    if needy:
        yield f"{', '.join(needy)} needs a runtime"


def _needs_runtime(hook: Callable[..., Any]) -> bool:
    parameter = inspect.signature(hook).parameters.get("runtime")
    return parameter is not None and parameter.default is inspect.Parameter.empty
