"""Bodies that a real server answered, read by the engine's own client."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield_kernel.errors import PluginFailure
from farfield_policy.engine import FinishReason, Sampling, Version
from farfield_policy.tgi.info import info_of
from farfield_policy.tgi.requests import Request
from farfield_policy.tgi.server import Access, Server

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "tgi"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/tgi is not here")


class Transcript:
    """Decodes what one body holds, by that body: the server's tokenizer is not at hand."""

    def __init__(self, body: dict[str, Any]) -> None:
        tokens = body["details"]["tokens"]
        self._texts = {token["id"]: "" if token["special"] else token["text"] for token in tokens}

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self._texts[one] for one in ids)


def recorded(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}.json").read_text())


def request_of(body: dict[str, Any], **more: Any) -> Request:
    """A request that such a body may answer."""
    details = body["details"]
    prompt_ids = more.pop("prompt_ids", [token["id"] for token in details["prefill"]] or [1])
    temperature = 1.0 if details["seed"] is not None else 0.0
    limit = details["generated_tokens"] + (details["finish_reason"] != "length")
    sampling = Sampling(limit, temperature, stop_strings=more.pop("stop_strings", ()))
    return Request("text", prompt_ids, more.pop("images", 0), sampling, details["seed"] or 0, limit)


async def read(tgi_wire: ModuleType, body: dict[str, Any], request: Request) -> Any:
    async with tgi_wire.TgiWire(lambda _: body) as wire:
        server = Server(wire.url, await info_of(wire.url), Version(), Access(retries=0), Transcript(body))  # type: ignore[arg-type]
        (result,) = await asyncio.gather(server.generate(request), return_exceptions=True)
        await server.close()
        return result


WHOLE = {
    "generate_prefill_bloom560m": FinishReason.LENGTH,
    "lora_with_adapter_raw_mistral": FinishReason.STOP_TOKEN,
    "lora_without_adapter_raw_mistral": FinishReason.LENGTH,
    "vlm_generate_prefill_idefics9b": FinishReason.LENGTH,
    "vlm_generate_smolvlm": FinishReason.STOP_TOKEN,
    "generate_grammar_json_eos_llama": FinishReason.STOP_TOKEN,
}


@pytest.mark.parametrize("name", WHOLE)
async def test_ids_logprobs_and_ends_are_read(tgi_wire: ModuleType, name: str) -> None:
    body = recorded(name)
    request = request_of(body)
    done = await read(tgi_wire, body, request)
    tokens = body["details"]["tokens"]
    assert done.response_ids == [token["id"] for token in tokens]
    assert done.logprobs == [token["logprob"] for token in tokens]
    assert done.prompt_ids == request.prompt_ids
    assert done.finish_reason is WHOLE[name]
    assert done.text.split() == body["generated_text"].split()


async def test_the_stop_string_stays_in_the_response(tgi_wire: ModuleType) -> None:
    body = recorded("generate_stopseq_fulltext_seed_llama7b")
    body["generated_text"] = body["generated_text"].removeprefix("Test request")  # we ask for no full text
    done = await read(tgi_wire, body, request_of(body, stop_strings=("test",)))
    assert done.finish_reason is FinishReason.STOP_STRING
    assert done.text.endswith("test")
    assert len(done.response_ids) == 5


async def test_a_stop_string_within_the_response_ends_it_there(tgi_wire: ModuleType) -> None:
    """The server looks for it only where a token ends; what it drew afterwards is dropped."""
    body = recorded("generate_stopseq_fulltext_seed_llama7b")
    body["generated_text"] = body["generated_text"].removeprefix("Test request")
    done = await read(tgi_wire, body, request_of(body, stop_strings=("Err",)))
    assert done.finish_reason is FinishReason.STOP_STRING
    assert done.text == " failed: Err"
    assert len(done.response_ids) == len(done.logprobs) == done.spans[0].tokens == 3


@pytest.mark.parametrize(
    "name", ["generate_prefill_allparams_bloom560m", "generate_stopseq_fulltext_seed_llama7b"]
)
async def test_a_text_with_the_prompt_in_it_is_no_answer(tgi_wire: ModuleType, name: str) -> None:
    body = recorded(name)
    assert isinstance(await read(tgi_wire, body, request_of(body)), PluginFailure)


async def test_a_prompt_that_was_read_otherwise_is_no_answer(tgi_wire: ModuleType) -> None:
    body = recorded("generate_prefill_bloom560m")
    error = await read(tgi_wire, body, request_of(body, prompt_ids=[1, 2]))
    assert isinstance(error, PluginFailure)
    assert "saw a prompt of" in str(error)


async def test_how_many_tokens_an_image_takes_is_the_servers_to_say(tgi_wire: ModuleType) -> None:
    body = recorded("vlm_generate_prefill_idefics9b")
    done = await read(tgi_wire, body, request_of(body, prompt_ids=[1, 2], images=1))
    assert done.prompt_ids == [token["id"] for token in body["details"]["prefill"]]


def test_logprobs_of_a_response_are_processed_and_so_not_called_raw() -> None:
    for record in recorded("shard_cpu_recorded")["records"]:
        assert record["token_logprobs"] == pytest.approx(record["hf_processed_logprobs"], abs=1e-4)
    filtered = recorded("shard_cpu_recorded")["records"][0]
    assert filtered["token_logprobs"] != pytest.approx(filtered["hf_raw_logprobs"], abs=0.1)
