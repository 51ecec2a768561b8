"""Chats: the template writes the special tokens, and the answers are those of `/generate`."""

import json
from typing import Any

import httpx2
import pytest

Json = dict[str, Any]
HI = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
RENDERED = "<system>s<end><user>hi<end><assistant>"
"""Without the BOS, which `/generate` adds."""


async def chat(http: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await http.post("/v1/chat/completions", json={"messages": HI, **body})


async def test_a_chat_is_a_prompt_with_one_begin(http: httpx2.AsyncClient) -> None:
    answer = (await chat(http, max_tokens=8, seed=5, logprobs=True)).json()
    parameters = {"max_new_tokens": 8, "seed": 5, "do_sample": True, "details": True}
    prompt = {"inputs": RENDERED, "parameters": {**parameters, "decoder_input_details": True}}
    plain = (await http.post("/generate", json=prompt)).json()
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": plain["generated_text"]}
    assert [one["token"] for one in choice["logprobs"]["content"]] == [
        token["text"] for token in plain["details"]["tokens"]
    ]
    assert answer["usage"] == {
        "prompt_tokens": len(plain["details"]["prefill"]),
        "completion_tokens": 8,
        "total_tokens": len(plain["details"]["prefill"]) + 8,
    }
    assert (answer["model"], choice["finish_reason"]) == ("toy", "length")


async def test_the_limit_goes_by_two_names(http: httpx2.AsyncClient) -> None:
    assert (await chat(http, max_completion_tokens=3)).json()["usage"]["completion_tokens"] == 3


async def test_temperature_zero_is_greedy(http: httpx2.AsyncClient) -> None:
    said = [(await chat(http, max_tokens=8, temperature=0.0)).json() for _ in range(2)]
    one, two = (answer["choices"][0]["message"]["content"] for answer in said)
    assert one == two


async def test_a_streamed_chat_says_the_same_and_ends(http: httpx2.AsyncClient) -> None:
    whole = (await chat(http, max_tokens=8, seed=5)).json()
    answer = await chat(http, max_tokens=8, seed=5, stream=True, stream_options={"include_usage": True})
    *lines, end = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    *chunks, last = map(json.loads, lines)
    assert end == "[DONE]"
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    said = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    assert said.rstrip("\N{REPLACEMENT CHARACTER}") in whole["choices"][0]["message"]["content"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 7 + ["length"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"messages": []}, "the chat template refuses these messages"),
        ({"n": 2}, "`n` must be 1"),
        ({"tools": [{"type": "function"}]}, "`tools` are not supported"),
        ({"presence_penalty": 1.0}, "`presence_penalty`"),
        ({"response_format": {"type": "json_object"}}, "`grammar` is not supported"),
        ({"top_p": 1.0}, "`top_p` must be"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "the model takes no images",
        ),
    ],
)
async def test_what_a_chat_cannot_have_is_refused(http: httpx2.AsyncClient, body: Json, says: str) -> None:
    answer = await chat(http, **body)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
