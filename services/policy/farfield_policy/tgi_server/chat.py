"""Chats in the shapes of the OpenAI protocol, as text-generation-inference writes them."""

import time
from collections.abc import AsyncIterator
from typing import Any

from farfield_policy.engine import Completion, FinishReason
from farfield_policy.tgi_server.answers import spoken
from farfield_policy.tgi_server.errors import invalid
from farfield_policy.tgi_server.generation import Asked, Drawn, Generation
from farfield_policy.tgi_server.requests import Chat, Generate
from farfield_policy.tgi_server.text import Text

Json = dict[str, Any]


def request_of(chat: Chat, text: Text) -> Generate:
    """The chat as a prompt. What would change the answer and is not supported is refused."""
    if chat.n not in (None, 1):
        raise invalid("`n` must be 1")
    if chat.tools:
        raise invalid("`tools` are not supported by this engine")
    if chat.presence_penalty:
        raise invalid("`presence_penalty` is not supported by this engine")
    return Generate(inputs=text.conversation(chat.messages), parameters=chat.parameters)


class Chatting:
    """Answers of one model."""

    def __init__(self, generation: Generation, text: Text, model: str, fingerprint: str) -> None:
        self._generation = generation
        self._text = text
        self._common = {"id": "", "model": model, "system_fingerprint": fingerprint}

    async def ask(self, chat: Chat) -> Asked:
        """The template writes the special tokens itself."""
        request = request_of(chat, self._text)
        return await self._generation.ask(request, streams=chat.stream, special=False)

    def answer(self, chat: Chat, asked: Asked, completion: Completion) -> Json:
        choice: Json = {
            "index": 0,
            "message": {"role": "assistant", "content": spoken(self._text, asked, completion)},
            "logprobs": self._logprobs(asked, completion) if chat.logprobs else None,
            "finish_reason": _reason(completion),
        }
        return self._body("chat.completion", [choice], usage=_usage(asked, completion))

    async def events(self, chat: Chat, asked: Asked, tokens: AsyncIterator[Drawn]) -> AsyncIterator[Json]:
        """One chunk a token; a special one has no text. The usage follows where it is wanted."""
        pieces = self._text.pieces(asked.inputs.ids)
        async for drawn in tokens:
            piece = pieces.add(drawn.id)
            yield self._chunk(chat, drawn, piece)
            wants_usage = chat.stream_options is not None and chat.stream_options.include_usage
            if drawn.completion is not None and wants_usage:
                yield self._body("chat.completion.chunk", [], usage=_usage(asked, drawn.completion))

    def _chunk(self, chat: Chat, drawn: Drawn, piece: str) -> Json:
        shown = "" if drawn.id in self._text.special else piece
        logprobs = {"content": [_logprob(piece, drawn.logprob)]} if chat.logprobs else None
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": shown},
            "logprobs": logprobs,
            "finish_reason": _reason(drawn.completion) if drawn.completion else None,
        }
        return self._body("chat.completion.chunk", [choice])

    def _logprobs(self, asked: Asked, completion: Completion) -> Json:
        pieces = self._text.pieces(asked.inputs.ids)
        pairs = zip(completion.response_ids, completion.logprobs, strict=True)
        return {"content": [_logprob(pieces.add(token), logprob) for token, logprob in pairs]}

    def _body(self, kind: str, choices: list[Json], **more: Json) -> Json:
        return {"object": kind, "created": int(time.time()), **self._common, "choices": choices, **more}


def _logprob(piece: str, logprob: float) -> Json:
    return {"token": piece, "logprob": logprob, "top_logprobs": []}


def _reason(completion: Completion) -> str:
    stopped = completion.finish_reason in (FinishReason.STOP_TOKEN, FinishReason.STOP_STRING)
    return "stop" if stopped else "length"


def _usage(asked: Asked, completion: Completion) -> Json:
    prompt, response = len(asked.inputs.ids), len(completion.response_ids)
    return {"prompt_tokens": prompt, "completion_tokens": response, "total_tokens": prompt + response}
