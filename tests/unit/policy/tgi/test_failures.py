"""What goes wrong at the server or on the way to it, and what the caller is told: never an answer."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2, error_details_pb2

from farfield_kernel.errors import (
    CONTEXT_FULL,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    PluginFailure,
    Unavailable,
    status_of,
)
from farfield_policy.engine import Prompt
from farfield_policy.tgi.engine import TgiEngine

Ask = Callable[..., Prompt]
RETRIES = 4
SSE = b'data:{"error":"Model is overloaded","error_type":"overloaded"}\n\n'
TOO_LONG = "Input validation error: `inputs` must have less than 255 tokens. Given: 300"


def said(error: str, error_type: str) -> bytes:
    return json.dumps({"error": error, "error_type": error_type}).encode()


async def outcome(engine: TgiEngine, prompt: Prompt) -> Any:
    (result,) = await asyncio.gather(*engine.submit([prompt]), return_exceptions=True)
    return result


FINAL = [
    (422, said("Input validation error: `temperature` is odd", "validation"), InvalidArgument, "is odd"),
    (422, said(TOO_LONG, "validation"), FailedPrecondition, "less than 255"),
    (424, said("Request failed during generation: CUDA", "generation"), PluginFailure, "CUDA"),
    (422, b"Failed to deserialize the JSON body", InvalidArgument, "deserialize"),
    (413, b"length limit exceeded", InvalidArgument, "larger than the server takes"),
    (401, b"", FailedPrecondition, "engine.token"),
    (403, b"", FailedPrecondition, "engine.token"),
    (404, b"", PluginFailure, "404"),
    (418, said("tea", "teapot"), PluginFailure, "tea"),
    (200, said("Request failed during generation: late", "generation"), PluginFailure, "late"),
    (200, b"{}", PluginFailure, "no details"),
    (200, b'{"generated_text": "d"}', PluginFailure, "no details"),
    (200, b'{"generated_text": "d", "details": {}}', PluginFailure, "no details"),
    (200, b"[]", PluginFailure, "garbled"),
    (200, b"7", PluginFailure, "garbled"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), FINAL)
async def test_what_time_cannot_cure_is_told_at_once(
    engine: TgiEngine,
    wire: Any,
    ask: Ask,
    status: int,
    body: bytes,
    kind: type[FarfieldError],
    words: str,
) -> None:
    wire.replies.append((status, body))
    error = await outcome(engine, ask())
    assert type(error) is kind, error
    assert words in str(error)
    assert len(wire.requests) == 1


async def test_a_prompt_too_long_for_the_server_ends_the_conversation(
    engine: TgiEngine, wire: Any, ask: Ask
) -> None:
    wire.replies.append((422, said(TOO_LONG, "validation")))
    assert (await outcome(engine, ask())).reason == CONTEXT_FULL


PASSING = [
    ((429, said("Model is overloaded", "overloaded")), Exhausted),
    ((200, SSE), Exhausted),
    ((429, b""), Exhausted),
    ((500, said("Incomplete generation", "incomplete_generation")), Unavailable),
    ((503, said("unhealthy", "healthcheck")), Unavailable),
    ((503, b"no server is available"), Unavailable),
    ((502, b"<html>"), Unavailable),
    ((200, b'{"generated_text": "d e'), Unavailable),
    ((200, b"\xff\xfe"), Unavailable),
    (b"HTTP/1.1 200 -\r\nContent-Length: 400\r\n\r\n{", Unavailable),
    (b"", Unavailable),
    (b"no http at all\r\n\r\n", Unavailable),
]


@pytest.mark.parametrize(("reply", "kind"), PASSING)
async def test_what_passes_is_tried_again_and_then_told(
    engine: TgiEngine, wire: Any, ask: Ask, reply: Any, kind: type[FarfieldError]
) -> None:
    wire.replies += [reply] * RETRIES
    assert (await outcome(engine, ask())).text == "d e f"
    wire.replies += [reply] * (RETRIES + 1)
    error = await outcome(engine, ask())
    assert type(error) is kind, error


async def test_an_overloaded_server_says_when_to_come_back(engine: TgiEngine, wire: Any, ask: Ask) -> None:
    wire.replies += [(429, said("Model is overloaded", "overloaded"))] * (RETRIES + 1)
    status = status_of(await outcome(engine, ask()))
    assert status.code == code_pb2.RESOURCE_EXHAUSTED
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.retry_delay.ToSeconds() >= 1


async def test_a_late_answer_is_a_deadline(wire: Any, open_one: Callable[..., Any], ask: Ask) -> None:
    engine = await open_one(timeout_seconds=0.05)
    wire.hold.clear()
    error = await outcome(engine, ask())
    assert isinstance(error, DeadlineExceeded)
    assert "/generate did not answer in time" in str(error)
    wire.hold.set()


async def test_a_server_that_came_back_as_another_is_noticed(engine: TgiEngine, wire: Any, ask: Ask) -> None:
    wire.replies.append((503, b""))
    wire.info = {**wire.info, "model_id": "other"}
    error = await outcome(engine, ask())
    assert isinstance(error, FailedPrecondition)
    assert "now serves 'other'" in str(error)


class TestAnswersThatContradictThemselves:
    @pytest.fixture
    def change(self, wire: Any) -> Callable[[Callable[[Any], None]], None]:
        """Lets the next answers be changed before they are sent."""
        whole = wire.answer

        def install(edit: Callable[[Any], None]) -> None:
            def answer(request: dict[str, Any]) -> Any:
                body = whole(request)
                edit(body)
                return body

            wire.answer = answer

        return install

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda body: body["details"].update(generated_tokens=3), "counts 3 tokens and lists 4"),
            (lambda body: body["details"].update(tokens=[], generated_tokens=0), "counts 0"),
            (lambda body: body["details"]["tokens"][1].update(logprob=None), "logprob None"),
            (lambda body: body["details"]["tokens"][1].update(logprob=0.5), "logprob 0.5"),
            (lambda body: body["details"]["tokens"][1].update(id="9"), "token 9"),
            (lambda body: body["details"]["tokens"][1].update(id=12), "is engine.tokenizer"),
            (lambda body: body["details"].update(seed=8), "by seed 8; 7 was given"),
            (lambda body: body["details"].update(finish_reason="length"), "after 4 of 8 tokens"),
            (lambda body: body["details"].update(finish_reason="bored"), "no reason"),
            (lambda body: body["details"]["prefill"].pop(), "is engine.tokenizer"),
            (lambda body: body["details"]["prefill"][2].update(id=9), "is engine.tokenizer"),
            (lambda body: body.update(generated_text="d e g"), "is engine.tokenizer"),
            (lambda body: body["details"].update(tokens=[7]), "garbled"),
            (lambda body: body.update(generated_text=None), "no details"),
        ],
    )
    async def test_are_failures(
        self, engine: TgiEngine, change: Any, ask: Ask, edit: Callable[[Any], Any], words: str
    ) -> None:
        change(edit)
        error = await outcome(engine, ask())
        assert isinstance(error, PluginFailure), error
        assert words in str(error)


DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "tgi"
CODES = {
    "422_validation": InvalidArgument,
    "422_best_of_disabled_or_seed": InvalidArgument,
    "424_generation": PluginFailure,
    "429_overloaded": Exhausted,
    "500_incomplete": Unavailable,
    "503_health": Unavailable,
}


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/tgi is not here")
@pytest.mark.parametrize("name", CODES)
async def test_the_servers_own_errors_are_known(engine: TgiEngine, wire: Any, ask: Ask, name: str) -> None:
    known = json.loads((DATA / "errors_from_source.json").read_text())[name]
    wire.replies += [(known["status"], json.dumps(known["body"]).encode())] * (RETRIES + 1)
    error = await outcome(engine, ask())
    assert type(error) is CODES[name]
    assert known["body"]["error"] in str(error)
