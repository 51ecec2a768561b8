"""What a server can do, asked of it when the engine starts: nothing is assumed from its flags or version."""

import asyncio
import logging
from dataclasses import dataclass
from time import monotonic

from farfield_kernel.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, Unavailable
from farfield_policy.engine import Sampling
from farfield_policy.vllm.server import LOADING, Card, Server
from farfield_policy.vllm.wire import (
    Ask,
    answer_from,
    request_of,
    score_request,
    scores_from,
    shows_processed,
)

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """`processed`: logprobs are of what was sampled; else they are the model's own. `in_place`, `adapters`:
    which weights it can be given."""

    release: str
    card: Card
    processed: bool
    score: bool
    in_place: bool
    adapters: bool


async def await_server(server: Server, seconds: float) -> None:
    """Returns once the server is up; Unavailable where it does not come."""
    deadline = monotonic() + seconds
    while True:
        try:
            return await server.healthy()
        except (Unavailable, DeadlineExceeded) as error:
            if monotonic() >= deadline:
                raise Unavailable(
                    f"no vLLM server came up at {server.url} in {seconds:g} seconds ({error}); start it "
                    "with `vllm serve`, or set engine.url and engine.start_seconds"
                ) from error
        await asyncio.sleep(_LOOK_SECONDS)


async def probe(server: Server, model: str, prompt: list[int], tied: bool) -> Found:
    """`prompt`: any two ids. `tied`: the model's output layer is its embedding. FailedPrecondition where the
    server cannot serve this engine at all."""
    card = await server.card(model)
    if card.max_context < 2:
        raise FailedPrecondition(f"{server.url} does not say how many tokens its context holds")
    in_place = await _changes_weights(server, tied)
    if in_place:
        await _end_change(server)
    found = Found(
        release=await server.release(),
        card=card,
        processed=await _has_processed_logprobs(server, card.name, prompt),
        score=await _scores(server, card.name, prompt),
        in_place=in_place,
        adapters=await server.can_change_adapters(),
    )
    _tell(server.url, found)
    return found


async def _changes_weights(server: Server, tied: bool) -> bool:
    if not await server.can_change_weights():
        log.warning(
            "the server has no endpoints for new weights: use vLLM 0.27 or newer with VLLM_SERVER_DEV_MODE=1"
        )
        return False
    if tied and await server.device() == "cpu":
        # It packs a copy of the output layer, which the reload of an embedding leaves alone (vLLM 0.32).
        log.warning("vLLM on a CPU does not change all weights of a model whose embeddings are tied")
        return False
    return True


async def _end_change(server: Server) -> None:
    """Of a former life of this engine that ended in the middle of one. FailedPrecondition where it had begun
    to load: what the server holds then nobody knows."""
    if await server.label() == LOADING:
        raise FailedPrecondition(
            f"a load of weights was never finished in {server.url}; start that server again"
        )
    await server.resume()


async def _has_processed_logprobs(server: Server, model: str, prompt: list[int]) -> bool:
    ask = Ask(prompt, Sampling(max_new_tokens=1, temperature=1.0, top_k=1), 0, (), 1)
    data = await server.complete({**request_of(ask, model), "logprobs": 2})
    answer_from(data, prompt)
    return shows_processed(data)


async def _scores(server: Server, model: str, prompt: list[int]) -> bool:
    try:
        scores_from(await server.complete(score_request(prompt, model)), prompt[:1], prompt[1:])
    except InvalidArgument as error:
        log.warning("the server gives no prompt logprobs, so Score is refused: %s", error)
        return False
    return True


def _tell(url: str, found: Found) -> None:
    log.info("vLLM %s at %s serves %s", found.release or "(no version)", url, found.card.name)
    if not found.processed:
        log.warning(
            "the server's logprobs are the model's own, so only temperature 1 or 0 without top-k and top-p "
            "is served; start it with --logprobs-mode processed_logprobs for all of them"
        )
