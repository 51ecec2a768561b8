"""`/generate` and its stream, against what the engine itself draws."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine, open_engine
from farfield_policy.engine import Completion, Engine, Forced, Prompt, Sampling
from farfield_policy.tgi_server.text import Text

Json = dict[str, Any]
HELLO = "hello there"
JSON = {"Content-Type": "application/json"}


async def ask(http: httpx2.AsyncClient, inputs: str = HELLO, **parameters: Any) -> Json:
    answer = await http.post(
        "/generate", json={"inputs": inputs, "parameters": {"details": True, **parameters}}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def events(http: httpx2.AsyncClient, body: Json, path: str = "/generate_stream") -> list[Json]:
    answer = await http.post(path, json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]


async def test_a_seed_draws_the_tokens_that_the_engine_itself_draws(
    http: httpx2.AsyncClient, engine: TorchEngine, spoken: Path
) -> None:
    ids = Text(str(spoken)).read(HELLO).ids
    [own] = engine.submit([Prompt(Sampling(12, 0.7, 0.9, 20), prefix_ids=ids, seed=7)])
    drawn = await own
    answer = await ask(http, max_new_tokens=12, seed=7, temperature=0.7, top_p=0.9, top_k=20)
    details = answer["details"]
    assert [token["id"] for token in details["tokens"]] == list(drawn.response_ids)
    assert [token["logprob"] for token in details["tokens"]] == pytest.approx(drawn.logprobs, abs=1e-5)
    assert (details["seed"], details["generated_tokens"]) == (7, 12)
    assert answer["generated_text"] == drawn.text


async def test_a_stream_tells_what_the_whole_answer_holds(http: httpx2.AsyncClient) -> None:
    parameters = {"max_new_tokens": 9, "seed": 4, "do_sample": True, "details": True}
    whole = await ask(http, **parameters)
    told = await events(http, {"inputs": HELLO, "parameters": parameters})
    assert [event["index"] for event in told] == list(range(1, 10))
    ids = [event["token"]["id"] for event in told]
    assert ids == [token["id"] for token in whole["details"]["tokens"]]
    assert [event["generated_text"] for event in told[:-1]] == [None] * 8
    assert told[-1]["generated_text"] == whole["generated_text"]
    assert told[-1]["details"] == {
        "finish_reason": "length", "generated_tokens": 9, "seed": 4, "input_length": len(HELLO) + 1
    }  # fmt: skip


async def test_a_stream_is_told_while_it_is_drawn(serve: Callable[..., Any], engine: TorchEngine) -> None:
    """The engine cannot go on while it is paused, and yet the first token has come by then."""
    body = {"inputs": HELLO, "parameters": {"max_new_tokens": 200, "do_sample": True, "seed": 1}}
    async with serve(engine) as http, http.stream("POST", "/generate_stream", json=body) as answer:
        lines = answer.aiter_lines()
        first = json.loads((await anext(lines)).removeprefix("data: "))
        assert first["index"] == 1
        assert first["generated_text"] is None
        assert await engine.pause(drain=False) == 1, "the response runs on"


async def test_the_special_tokens_are_always_added(http: httpx2.AsyncClient, spoken: Path) -> None:
    text = Text(str(spoken))
    [begin] = text.read("").ids
    answer = await ask(http, "<bos>a", max_new_tokens=1, decoder_input_details=True)
    assert [token["id"] for token in answer["details"]["prefill"]][:2] == [begin, begin]
    assert [token["text"] for token in answer["details"]["prefill"]] == ["<bos>", "<bos>", "a"]


async def test_details_of_the_prompt_are_its_raw_logprobs(
    http: httpx2.AsyncClient, engine: TorchEngine, spoken: Path
) -> None:
    ids = Text(str(spoken)).read(HELLO).ids
    [scores] = (await engine.score([Forced(ids[:1], ids[1:])])).results
    details = (await ask(http, max_new_tokens=1, decoder_input_details=True))["details"]
    assert details["prefill"][0]["logprob"] is None
    assert [token["logprob"] for token in details["prefill"][1:]] == pytest.approx(scores.raw_logprobs)
    assert (await ask(http, max_new_tokens=1))["details"]["prefill"] == []


async def test_greedy_answers_have_no_seed_and_repeat(http: httpx2.AsyncClient) -> None:
    one, two = await asyncio.gather(ask(http, max_new_tokens=6), ask(http, max_new_tokens=6))
    assert one["generated_text"] == two["generated_text"]
    assert one["details"]["seed"] is None
    assert (await ask(http, max_new_tokens=6, do_sample=True))["details"]["seed"] is not None


async def test_the_prompt_can_be_cut_and_repeated(http: httpx2.AsyncClient) -> None:
    cut = await ask(http, "abcdef", max_new_tokens=3, truncate=2, decoder_input_details=True)
    assert [token["text"] for token in cut["details"]["prefill"]] == ["e", "f"]
    full = await ask(http, "abcdef", max_new_tokens=3, return_full_text=True)
    plain = await ask(http, "abcdef", max_new_tokens=3)
    assert full["generated_text"] == "abcdef" + plain["generated_text"]


async def test_a_stop_sequence_ends_a_response_and_stays_in_it(http: httpx2.AsyncClient) -> None:
    free = await ask(http, max_new_tokens=40, seed=11, do_sample=True)
    words = [token["text"] for token in free["details"]["tokens"]]
    at = next(i for i, word in enumerate(words) if i > 3 and len(word) == 1 and word.isascii())
    stopped = await ask(http, max_new_tokens=40, seed=11, do_sample=True, stop=[words[at]])
    details = stopped["details"]
    assert details["finish_reason"] == "stop_sequence"
    assert stopped["generated_text"].endswith(words[at])
    assert details["generated_tokens"] <= at + 1


async def test_the_token_that_ends_a_response_is_special_and_not_said(http: httpx2.AsyncClient) -> None:
    many = (ask(http, max_new_tokens=200, seed=seed, do_sample=True) for seed in range(48))
    answers = await asyncio.gather(*many)
    answer = next(one for one in answers if one["details"]["finish_reason"] == "eos_token")
    last = answer["details"]["tokens"][-1]
    assert (last["text"], last["special"]) == ("<end>", True)
    assert "<end>" not in answer["generated_text"]


async def test_the_likelier_of_two_answers_is_given_and_the_other_is_shown(
    http: httpx2.AsyncClient,
) -> None:
    answer = await ask(http, max_new_tokens=5, best_of=2, do_sample=True)
    [other] = answer["details"]["best_of_sequences"]

    def mean(details: Json) -> float:
        return sum(token["logprob"] for token in details["tokens"]) / len(details["tokens"])

    assert mean(answer["details"]) >= mean(other)
    assert other["seed"] != answer["details"]["seed"]


async def test_without_details_there_is_the_text_alone(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/generate", json={"inputs": HELLO, "parameters": {"max_new_tokens": 2}})
    assert list(answer.json()) == ["generated_text"]
    assert answer.headers["x-prompt-tokens"] == str(len(HELLO) + 1)
    assert answer.headers["x-generated-tokens"] == "2"


async def test_the_root_answers_both_ways(http: httpx2.AsyncClient) -> None:
    body: Json = {"inputs": HELLO, "parameters": {"max_new_tokens": 2}}
    [whole] = (await http.post("/", json=body)).json()
    told = await events(http, {**body, "stream": True}, "/")
    assert told[-1]["generated_text"] == whole["generated_text"]
    assert told[-1]["details"] is None


async def test_tokens_of_a_text_and_their_places(http: httpx2.AsyncClient) -> None:
    tokens = (await http.post("/tokenize", json={"inputs": "a b"})).json()
    assert [(token["text"], token["start"], token["stop"]) for token in tokens] == [
        ("", 0, 0), ("a", 0, 1), (" ", 1, 2), ("b", 2, 3)
    ]  # fmt: skip


async def test_what_the_server_says_of_itself(http: httpx2.AsyncClient) -> None:
    info = (await http.get("/info")).json()
    assert (info["model_id"], info["max_total_tokens"], info["max_input_tokens"]) == ("toy", 256, 255)
    assert (await http.get("/health")).status_code == 200
    assert (await http.get("/v1/models")).json()["data"][0]["id"] == "toy"


@pytest.mark.parametrize(
    ("request_of", "status", "says"),
    [
        ({"json": {"inputs": "a", "parameters": {"top_p": 1.0}}}, 422, '"error_type": "validation"'),
        ({"json": {"inputs": ""}, "path": "/tokenize"}, 422, "`inputs` cannot be empty"),
        ({"json": {"inputs": "a" * 300}}, 422, "less than 255 tokens. Given: 301"),
        ({"json": {"inputs": 3}}, 422, "inputs: Input should be a valid string"),
        ({"json": {"inputs": "a", "parameters": {"seed": -1}}}, 422, "parameters.seed"),
        ({"json": {"inputs": "a", "parameters": {"top_k": 1 << 31}}}, 422, "parameters.top_k"),
        ({"json": {"inputs": "a", "parameters": {"max_new_tokens": 1 << 32}}}, 422, "max_new_tokens"),
        ({"content": b"[" * 100_000, "headers": JSON}, 400, "not JSON"),
        ({"content": b'{"inputs": "\\uD800"}', "headers": JSON}, 400, "surrogates not allowed"),
        ({"content": b"{", "headers": JSON}, 400, "not JSON"),
        ({"content": b"inputs=a", "headers": {"Content-Type": "text/plain"}}, 415, "application/json"),
        ({"json": {"inputs": "a" * 2_000_001}}, 413, "2000000"),
        ({"json": {}, "path": "/nowhere"}, 404, "Not Found"),
    ],
)
async def test_what_cannot_be_served_is_told(
    http: httpx2.AsyncClient, request_of: Json, status: int, says: str
) -> None:
    answer = await http.post(request_of.pop("path", "/generate"), **request_of)
    assert answer.status_code == status
    assert says in answer.text


async def test_a_stream_tells_an_error_as_its_last_event(http: httpx2.AsyncClient) -> None:
    [told] = await events(http, {"inputs": HELLO, "parameters": {"best_of": 2}})
    assert told["error_type"] == "validation"


class Noticed:
    """An engine; `asked` is set once it has been asked for something."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked = asyncio.Event()

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        self.asked.set()
        return self._engine.submit(prompts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


async def test_one_request_too_many_is_told_to_come_back(
    serve: Callable[..., Any], engine: TorchEngine
) -> None:
    await engine.pause(drain=False)
    noticed = Noticed(engine)
    async with serve(noticed, max_concurrent_requests=1) as http:
        body = {"inputs": HELLO, "parameters": {"max_new_tokens": 1}}
        first = asyncio.ensure_future(http.post("/generate", json=body))
        await noticed.asked.wait()
        refused = await http.post("/generate", json=body)
        assert refused.status_code == 429
        assert refused.json() == {"error": "Model is overloaded", "error_type": "overloaded"}
        [told] = await events(http, body)
        assert told == refused.json()
        assert (await http.get("/health")).status_code == 200
        await engine.resume()
        assert (await first).status_code == 200


async def test_a_client_that_goes_away_frees_its_row(serve: Callable[..., Any], spoken: Path) -> None:
    """One row: the second request is served only once the first one's is free."""
    engine = open_engine(TorchConfig(model=str(spoken), max_rows=1, max_context=256))
    try:
        async with serve(engine) as http:
            body = {"inputs": HELLO, "parameters": {"max_new_tokens": 240, "do_sample": True}}
            async with http.stream("POST", "/generate_stream", json=body) as answer:
                await anext(answer.aiter_lines())
            await ask(http, max_new_tokens=1)
            assert await engine.pause(drain=False) == 0
    finally:
        await engine.close()


async def test_a_token_is_asked_for_where_one_is_set(serve: Callable[..., Any], engine: Engine) -> None:
    async with serve(engine, token="secret") as http:
        body = {"inputs": HELLO, "parameters": {"max_new_tokens": 1}}
        assert (await http.post("/generate", json=body)).status_code == 401
        assert (await http.get("/health")).status_code == 200
        http.headers["Authorization"] = "Bearer secret"
        assert (await http.post("/generate", json=body)).status_code == 200


async def test_a_closing_engine_is_unavailable(serve: Callable[..., Any], spoken: Path) -> None:
    engine = open_engine(TorchConfig(model=str(spoken), max_rows=1))
    async with serve(engine) as http:
        await engine.close()
        answer = await http.post("/generate", json={"inputs": HELLO})
        assert (answer.status_code, answer.json()["error_type"]) == (503, "unavailable")


@pytest.fixture
async def faulty(
    serve: Callable[..., Any], engine: TorchEngine, tgi_faults: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, Any]]:
    faults = tgi_faults.Faults()
    async with serve(engine, middlewares=[faults.middleware]) as http:
        yield http, faults


async def test_faults_for_tests_of_clients_are_what_they_are_called(
    faulty: tuple[httpx2.AsyncClient, Any], tgi_faults: Any
) -> None:
    http, faults = faulty
    body = {"inputs": HELLO, "parameters": {"max_new_tokens": 2}}
    faults.then(tgi_faults.overloaded, tgi_faults.generation, tgi_faults.incomplete, tgi_faults.unavailable)
    assert [(await http.post("/generate", json=body)).status_code for _ in range(4)] == [429, 424, 500, 503]
    for fault in (tgi_faults.dropped, tgi_faults.torn):
        faults.then(fault)
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post("/generate", json=body)
    faults.then(tgi_faults.overloaded, tgi_faults.delayed(0.01))
    [told] = await events(http, body)
    assert told["error_type"] == "overloaded"
    assert (await http.post("/generate", json=body)).status_code == 200
    assert faults.met == 8
