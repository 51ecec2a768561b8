"""What a server is asked: a prompt's sampling as parameters of /generate.

Left out is what the server reads otherwise than it says: `top_p` 1 is refused, so is `top_k` 0, and without
`do_sample` nothing is sampled.
"""

import json
from dataclasses import dataclass
from typing import Any

from farfield_kernel.errors import CONTEXT_FULL, FailedPrecondition, InvalidArgument
from farfield_policy.engine import Prompt, Sampling
from farfield_policy.tgi.info import Info
from farfield_policy.tgi.prompts import Written

EXACT_TOKENS = 1024
"""Beyond so many new tokens a server tokenizes what it has generated again; ids are then not those drawn."""


@dataclass(frozen=True, slots=True)
class Request:
    """`limit`: the tokens that the context leaves, or those asked for if fewer."""

    text: str
    prompt_ids: list[int]
    images: int
    sampling: Sampling
    seed: int
    limit: int

    @property
    def sampled(self) -> bool:
        return self.sampling.temperature > 0

    def parameters(self, prompt_details: bool) -> dict[str, Any]:
        """As `AsyncInferenceClient.text_generation` takes them. Seeds are the server's own kind: uint64."""
        asked: dict[str, Any] = {
            "details": True,
            "do_sample": self.sampled,
            "max_new_tokens": self.limit,
            "decoder_input_details": prompt_details,
        }
        if self.sampling.stop_strings:
            asked["stop"] = list(self.sampling.stop_strings)
        if self.sampled:
            asked["temperature"] = self.sampling.temperature
            asked["seed"] = self.seed
            if 0 < self.sampling.top_p < 1:
                asked["top_p"] = self.sampling.top_p
            if self.sampling.top_k > 0:
                asked["top_k"] = self.sampling.top_k
        return asked


def request_of(prompt: Prompt, written: Written, info: Info, payload_limit: int) -> Request:
    """InvalidArgument and FailedPrecondition for what no server answers as the contract means it."""
    _check(prompt.sampling, info)
    limit = min(prompt.sampling.max_new_tokens, _room(len(written.ids), info))
    if limit > EXACT_TOKENS:
        raise FailedPrecondition(
            f"sampling.max_new_tokens is {limit}; a server tokenizes its answer again beyond {EXACT_TOKENS} "
            "new tokens, so that ids would not be those that were drawn. Ask for fewer"
        )
    request = Request(written.text, written.ids, written.images, prompt.sampling, prompt.seed, limit)
    _check_size(request, payload_limit)
    return request


def _check(sampling: Sampling, info: Info) -> None:
    if sampling.stop_token_ids:
        raise FailedPrecondition(
            "this engine takes no stop tokens (capabilities.stop_token_ids is false); use stop_strings"
        )
    if len(sampling.stop_strings) > info.max_stop_sequences:
        raise FailedPrecondition(
            f"{len(sampling.stop_strings)} stop strings; the server takes {info.max_stop_sequences} "
            "(its --max-stop-sequences)"
        )


def _room(prompt_tokens: int, info: Info) -> int:
    """How many tokens a response to the prompt may have."""
    longest = min(info.max_input_tokens, info.max_total_tokens - 1)
    if prompt_tokens > longest:
        raise FailedPrecondition(
            f"the prompt has {prompt_tokens} tokens; the server takes {longest} (its --max-input-tokens and "
            "--max-total-tokens)",
            reason=CONTEXT_FULL,
        )
    return info.max_total_tokens - prompt_tokens


def _check_size(request: Request, payload_limit: int) -> None:
    size = len(json.dumps({"inputs": request.text, "parameters": request.parameters(True), "stream": False}))
    if size > payload_limit:
        held = f", with {request.images} images in it" if request.images else ""
        raise InvalidArgument(
            f"the request has {size:,} bytes{held}; the server takes {payload_limit:,}. Use fewer or smaller "
            "images, or raise its --payload-limit and engine.payload_limit"
        )
