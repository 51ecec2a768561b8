"""One client's session: every message gets one answer, and an error is an answer too."""

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from farfield_kernel.errors import UNEXPECTED, Exhausted, FarfieldError, InvalidArgument, NotFound
from farfield_openenv.facade import answers
from farfield_openenv.facade.backend import Backend
from farfield_openenv.facade.episode import Episode
from farfield_openenv.facade.forms import Action, ResetData
from farfield_openenv.protocol import ErrorCode

log = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)


class Closed(Exception):
    """The client said goodbye."""


class Malformed(Exception):
    """A message that cannot be answered with anything but an error."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class ClientSession:
    """Holds no episode until the first reset; each further reset frees the one before."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._episode: Episode | None = None

    async def answer(self, text: str | bytes) -> dict[str, Any]:
        """Raises Closed where the message asks to end."""
        try:
            return await self._answer(_parsed(text))
        except Malformed as error:
            return answers.error(error.code, str(error))
        except FarfieldError as error:
            return answers.error(_code(error), str(error))
        except Closed:
            raise
        except Exception:  # the log has the details, the client gets none
            log.exception("an answer failed")
            return answers.error(ErrorCode.EXECUTION_ERROR, UNEXPECTED)

    def close(self) -> None:
        if self._episode:
            self._episode.close()
            self._episode = None

    async def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("type"):
            case "step":
                return await self._step(_checked(Action, message))
            case "reset":
                return await self._reset(_checked(ResetData, message))
            case "state":
                return self._state()
            case "close":
                raise Closed
            case other:
                known = "reset, step, state, close"
                raise Malformed(ErrorCode.UNKNOWN_TYPE, f"unknown message type {other!r}; known are {known}")

    async def _reset(self, wanted: ResetData) -> dict[str, Any]:
        self.close()
        episode = Episode(self._backend, wanted)
        answer = await episode.start()
        self._episode = episode
        return answer

    async def _step(self, action: Action) -> dict[str, Any]:
        if self._episode is None:
            raise Malformed(ErrorCode.EXECUTION_ERROR, "no episode is under way: reset first")
        return await self._episode.step(action.response)

    def _state(self) -> dict[str, Any]:
        if self._episode is None:
            return answers.state(None, 0)
        return answers.state(self._episode.episode_id, self._episode.turns)


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(ErrorCode.INVALID_JSON, f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise Malformed(ErrorCode.VALIDATION_ERROR, f"a message is an object, not {type(message).__name__}")
    return message


def _checked(model: type[M], message: dict[str, Any]) -> M:
    validate: Callable[[Any], M] = model.model_validate
    try:
        return validate(message.get("data", {}))
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, one['loc'])) or 'data'}: {one['msg']}" for one in error.errors())
        raise Malformed(ErrorCode.VALIDATION_ERROR, "; ".join(lines)) from None


def _code(error: FarfieldError) -> ErrorCode:
    if isinstance(error, Exhausted):
        return ErrorCode.CAPACITY_REACHED
    if isinstance(error, InvalidArgument | NotFound):
        return ErrorCode.VALIDATION_ERROR
    return ErrorCode.EXECUTION_ERROR
