"""Images as markdown data URLs, and in chats."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from farfield_model.images import ImageFile
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine, open_engine
from farfield_policy.engine import Prompt, Sampling
from farfield_policy.tgi_server.text import Text


@pytest.fixture
async def seer(vision_checkpoint: Path) -> AsyncIterator[TorchEngine]:
    engine = open_engine(TorchConfig(model=str(vision_checkpoint), max_rows=4))
    yield engine
    await engine.close()


@pytest.fixture
async def http(
    serve: Callable[..., Any], seer: TorchEngine, vision_checkpoint: Path
) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(seer, vision_checkpoint) as client:
        yield client


@pytest.fixture
def url(make_png: Callable[..., bytes]) -> str:
    return f"data:image/png;base64,{base64.b64encode(make_png(3)).decode()}"


async def generate(http: httpx2.AsyncClient, inputs: str, **parameters: Any) -> httpx2.Response:
    parameters = {"max_new_tokens": 6, "seed": 9, "do_sample": True, "details": True, **parameters}
    return await http.post("/generate", json={"inputs": inputs, "parameters": parameters})


async def test_an_image_in_the_text_is_seen(
    http: httpx2.AsyncClient,
    seer: TorchEngine,
    url: str,
    make_png: Callable[..., bytes],
    vision_checkpoint: Path,
) -> None:
    inputs = f"<user> ![]({url}) a b <end> <assistant>"
    ids = Text(str(vision_checkpoint)).read(inputs).ids
    prompt = Prompt(Sampling(6, 1.0), prefix_ids=ids, prefix_images=(ImageFile.of(make_png(3)),), seed=9)
    [own] = seer.submit([prompt])
    answer = (await generate(http, inputs, decoder_input_details=True)).json()
    assert [token["id"] for token in answer["details"]["tokens"]] == list((await own).response_ids)
    logprobs = [token["logprob"] for token in answer["details"]["prefill"]]
    assert len(logprobs) == len(ids) > 16
    assert None not in logprobs[-3:]


async def test_a_chat_may_hold_images(http: httpx2.AsyncClient, url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "a b"}]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 4, "seed": 1}
    answer = (await http.post("/v1/chat/completions", json=body)).json()
    assert answer["usage"]["prompt_tokens"] > 16
    assert (await http.get("/info")).json()["model_pipeline_tag"] == "image-text-to-text"


@pytest.mark.parametrize(
    ("inputs", "parameters", "says"),
    [
        ("![](https://example.com/a.png) a", {}, "data URL"),
        ("![](data:image/png;base64,###) a", {}, "not base64"),
        ("![](data:image/png;base64,AAAA) a", {}, "is none of PNG, JPEG, WEBP"),
        ("![](URL) <image> a", {}, "stands for an image"),
        ("![](URL) a", {"truncate": 2}, "`truncate` is not supported for prompts with images"),
    ],
)
async def test_what_is_no_image_is_refused(
    http: httpx2.AsyncClient, url: str, inputs: str, parameters: dict[str, Any], says: str
) -> None:
    answer = await generate(http, inputs.replace("URL", url), **parameters)
    assert answer.status_code == 422, answer.text
    assert says in answer.json()["error"]


async def test_markdown_is_text_to_a_model_that_does_not_see(
    serve: Callable[..., Any], engine: TorchEngine
) -> None:
    async with serve(engine) as client:
        answer = await generate(client, "![](a.png)", decoder_input_details=True)
    assert "".join(token["text"] for token in answer.json()["details"]["prefill"]) == "<bos>![](a.png)"
