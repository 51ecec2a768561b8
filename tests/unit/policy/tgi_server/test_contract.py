"""The published contract and bodies that a real server answered, against ours; and a real client."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import OverloadedError, ValidationError

from farfield_policy.embedded.engine import TorchEngine

RECORDED = Path(__file__).parents[5] / "shared" / "data" / "tgi"
Json = dict[str, Any]
HI = [{"role": "user", "content": "hi"}]

needs_records = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded bodies are not here")


def check(body: Any, name: str) -> None:
    """`body` as a schema of the published contract."""
    contract = json.loads((RECORDED / "openapi.json").read_text())
    schemas = json.loads(json.dumps(contract["components"]).replace('"nullable": true', '"x-null": true'))
    _admit_null(schemas)
    schema = {"$ref": f"#/components/schemas/{name}", "components": schemas}
    jsonschema.Draft4Validator(schema).validate(body)


def _admit_null(schema: Any) -> None:
    """OpenAPI 3.0's `nullable`, as JSON Schema says it."""
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _admit_null(part)
    if isinstance(schema, dict) and schema.pop("x-null", False):
        schema.update(anyOf=[{key: schema.pop(key) for key in list(schema)}, {"type": "null"}])


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """Keys and types; of a list, the shapes that occur in it."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(one), sort_keys=True) for one in value})
    return type(value).__name__


async def generate(http: httpx2.AsyncClient, **parameters: Any) -> Any:
    body = {"inputs": "Test request", "parameters": {"details": True, "max_new_tokens": 10, **parameters}}
    return (await http.post("/generate", json=body)).json()


@needs_records
async def test_answers_have_the_shape_that_was_recorded(http: httpx2.AsyncClient) -> None:
    seeded = {"seed": 0, "do_sample": True}
    prefilled = await generate(http, top_p=0.9, decoder_input_details=True, **seeded)
    assert shape(prefilled) == shape(recorded("generate_prefill_bloom560m"))
    assert shape(await generate(http, **seeded)) == shape(recorded("generate_stopseq_fulltext_seed_llama7b"))
    assert shape(await generate(http)) == shape(recorded("vlm_generate_smolvlm"))


@needs_records
async def test_chats_have_the_shape_that_was_recorded(http: httpx2.AsyncClient) -> None:
    body: Json = {"messages": HI, "max_tokens": 10}
    whole = (await http.post("/v1/chat/completions", json=body)).json()
    assert shape(whole) == shape(recorded("chat_tinyllama"))
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    answer = await http.post("/v1/chat/completions", json=body)
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert shape([json.loads(line) for line in lines[:-1]]) == shape(recorded("chat_stream_usage_hfhub"))


@needs_records
async def test_every_body_is_valid_by_the_published_contract(http: httpx2.AsyncClient) -> None:
    check((await http.get("/info")).json(), "Info")
    check((await http.post("/tokenize", json={"inputs": "a b"})).json(), "TokenizeResponse")
    check(await generate(http, decoder_input_details=True), "GenerateResponse")
    check(await generate(http, best_of=2, do_sample=True), "GenerateResponse")
    check(await generate(http, top_p=1.0), "ErrorResponse")
    body = {"inputs": "a", "parameters": {"max_new_tokens": 3, "details": True}}
    answer = await http.post("/generate_stream", json=body)
    for line in answer.text.split("\n\n")[:-1]:
        check(json.loads(line.removeprefix("data: ")), "StreamResponse")
    check((await http.post("/v1/chat/completions", json={"messages": HI})).json(), "ChatCompletion")


@needs_records
def test_the_check_refuses_what_is_not_valid() -> None:
    check({"generated_text": "a", "details": None}, "GenerateResponse")
    with pytest.raises(jsonschema.ValidationError):
        check({"generated_text": None}, "GenerateResponse")


@needs_records
async def test_errors_have_the_bodies_of_the_original(serve: Callable[..., Any], engine: TorchEngine) -> None:
    known = recorded("errors_from_source")
    async with serve(engine) as http:
        for name, parameters in (
            ("422_validation", {"temperature": 0.0}),
            ("422_best_of_disabled_or_seed", {"best_of": 2, "seed": 1, "do_sample": True}),
        ):
            assert await generate(http, **parameters) == known[name]["body"]


@pytest.fixture
async def client(http: httpx2.AsyncClient) -> AsyncIterator[AsyncInferenceClient]:
    async with AsyncInferenceClient(str(http.base_url).rstrip("/"), token="none") as client:
        yield client


async def test_a_real_client_generates(client: AsyncInferenceClient) -> None:
    whole = await client.text_generation(
        "hello", details=True, max_new_tokens=6, seed=3, do_sample=True, decoder_input_details=True
    )
    assert (whole.details.seed, len(whole.details.tokens), len(whole.details.prefill)) == (3, 6, 6)
    stream = await client.text_generation(
        "hello", details=True, stream=True, max_new_tokens=6, seed=3, do_sample=True
    )
    told = [event async for event in stream]
    assert [event.token.id for event in told] == [token.id for token in whole.details.tokens]
    assert told[-1].generated_text == whole.generated_text
    async with AsyncInferenceClient(provider="hf-inference", token="none") as other:
        assert (await other.get_endpoint_info(model=str(client.model)))["model_id"] == "toy"


async def test_a_real_client_chats(client: AsyncInferenceClient) -> None:
    whole = await client.chat_completion(HI, max_tokens=6, seed=3)
    assert whole.usage.completion_tokens == 6
    chunks = [chunk async for chunk in await client.chat_completion(HI, max_tokens=6, seed=3, stream=True)]
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"


async def test_a_real_client_knows_our_errors(
    serve: Callable[..., Any], engine: TorchEngine, tgi_faults: Any
) -> None:
    faults = tgi_faults.Faults()
    async with (
        serve(engine, middlewares=[faults.middleware]) as http,
        AsyncInferenceClient(str(http.base_url).rstrip("/"), token="none") as client,
    ):
        with pytest.raises(ValidationError, match="`top_p` must be"):
            await client.text_generation("hello", top_p=1.0, details=True)
        faults.then(tgi_faults.overloaded)
        with pytest.raises(OverloadedError):
            await client.text_generation("hello", details=True)
