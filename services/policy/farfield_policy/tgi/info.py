"""What a server says of itself: GET /info."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import AsyncInferenceClient

from farfield_kernel.errors import DeadlineExceeded, PluginFailure, Unavailable
from farfield_policy.tgi.failures import translated

log = logging.getLogger(__name__)

PROBE_SECONDS = 10.0
"""Longest that one look may take."""
NO_TOKEN = "none"  # noqa: S105
"""Sent where no token is configured: the client would send the user's own for the Hugging Face Hub."""
PAUSE_SECONDS = 0.25
"""Between two looks at a server that is coming up."""


@dataclass(frozen=True, slots=True)
class Info:
    model: str
    """Its --model-id."""
    max_total_tokens: int
    """Of prompt and response together."""
    max_input_tokens: int
    max_concurrent_requests: int
    max_stop_sequences: int
    version: str


async def info_of(url: str, token: str = "") -> Info:
    """Unavailable where nothing answers; PluginFailure where what answers is no such server."""
    client = AsyncInferenceClient(provider="hf-inference", token=token or NO_TOKEN)
    try:
        with translated(f"{url}/info"):
            async with asyncio.timeout(PROBE_SECONDS):
                return _parsed(await client.get_endpoint_info(model=url), url)
    finally:
        await client.close()


async def until_answered(url: str, seconds: float, token: str = "") -> Info:
    """Looks until there is a server at `url`; Unavailable where there is none within `seconds`."""
    return await _until(url, "", seconds, token)


async def until_shown(url: str, model: str, seconds: float, token: str = "") -> Info:
    """Looks until the server at `url` shows `model`; Unavailable, with the last reason, when it does not
    within `seconds`."""
    return await _until(url, model, seconds, token)


async def _until(url: str, model: str, seconds: float, token: str) -> Info:
    ends, reason = time.monotonic() + seconds, ""
    while True:
        try:
            found = await info_of(url, token)
            if found.model == model or not model:
                return found
            told = f"its /info shows '{found.model}'"
        except (Unavailable, DeadlineExceeded) as error:
            told = str(error)
        if told != reason:
            log.info("waiting for %s: %s", url, told)
        reason = told
        if time.monotonic() + PAUSE_SECONDS > ends:
            meant = f"'{model}'" if model else "a model"
            raise Unavailable(f"{url} did not serve {meant} within {seconds:g} s: {reason}")
        await asyncio.sleep(PAUSE_SECONDS)


def _parsed(answer: Any, url: str) -> Info:
    if not isinstance(answer, Mapping):
        raise PluginFailure(f"{url}/info is no object; is it a text-generation-inference server?")
    try:
        return Info(
            model=str(answer["model_id"]),
            max_total_tokens=int(answer["max_total_tokens"]),
            max_input_tokens=int(answer.get("max_input_tokens") or answer["max_total_tokens"]),
            max_concurrent_requests=int(answer["max_concurrent_requests"]),
            max_stop_sequences=int(answer.get("max_stop_sequences", 4)),
            version=str(answer.get("version", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PluginFailure(
            f"{url}/info lacks or garbles {error}; is it a text-generation-inference server?"
        ) from None
