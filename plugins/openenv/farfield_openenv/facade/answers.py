"""Our messages, outcomes and verdicts as OpenEnv's answers. Facts are no part of them."""

import base64
from collections.abc import Sequence
from typing import Any

from farfield.environment.v1.environment_pb2 import Outcome
from farfield.types.v1 import types_pb2
from farfield_openenv.protocol import ErrorCode

_ROLES = {
    types_pb2.ROLE_SYSTEM: "system",
    types_pb2.ROLE_USER: "user",
    types_pb2.ROLE_ASSISTANT: "assistant",
}


def observation(
    messages: Sequence[types_pb2.Message], fresh_context: bool, metadata: dict[str, Any], feedback: str = ""
) -> dict[str, Any]:
    """`forms.Observation` as plain data."""
    return {
        "messages": [{"role": _ROLES[one.role], "content": _content(one)} for one in messages],
        "text": "\n\n".join(filter(None, map(_words, messages))),
        "feedback": feedback,
        "fresh_context": fresh_context,
        "metadata": metadata,
    }


def observed(shown: dict[str, Any], reward: float | None = None, done: bool = False) -> dict[str, Any]:
    """The answer to a reset or a step. OpenEnv carries the metadata in the observation and beside it."""
    data = {"observation": shown, "reward": reward, "done": done, "metadata": shown["metadata"]}
    return {"type": "observation", "data": data}


def graded(outcome: Outcome, verdict: types_pb2.Verdict) -> dict[str, Any]:
    """The metadata of a step."""
    return {
        "turn": outcome.turn,
        "success": outcome.success,
        "truncated": outcome.state == types_pb2.STATE_TRUNCATED,
        "correct": verdict.correct,
        "parseable": verdict.parseable,
        "terms": dict(verdict.terms),
        "metrics": dict(outcome.metrics),
    }


def state(episode_id: str | None, step_count: int) -> dict[str, Any]:
    return {"type": "state", "data": {"episode_id": episode_id, "step_count": step_count}}


def error(code: ErrorCode, message: str, **details: Any) -> dict[str, Any]:
    return {"type": "error", "data": {"message": message, "code": code.value, **details}}


def _words(message: types_pb2.Message) -> str:
    return "".join(part.text for part in message.parts)


def _content(message: types_pb2.Message) -> str | list[dict[str, Any]]:
    """Plain text where there is nothing else, as text-only chat templates expect."""
    if all(part.WhichOneof("kind") == "text" for part in message.parts):
        return _words(message)
    return [_part(part) for part in message.parts]


def _part(part: types_pb2.Part) -> dict[str, Any]:
    if part.WhichOneof("kind") == "text":
        return {"type": "text", "text": part.text}
    encoded = base64.b64encode(part.image.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{part.image.media_type};base64,{encoded}"}}
