"""Teacher forcing: the logprobs that the serving weights give to tokens that are already there."""

from collections.abc import Sequence
from typing import TypeAlias

import torch

from farfield_kernel.errors import FarfieldError
from farfield_policy.embedded.model import Chunk, Model
from farfield_policy.embedded.sampling import logprobs_of
from farfield_policy.embedded.sight import Sight
from farfield_policy.engine import Forced, Scores
from farfield_policy.limits import fault_of

Seen: TypeAlias = Sight | FarfieldError | None
"""The images of a prompt, or why they cannot be had."""


@torch.inference_mode()
def score(
    model: Model,
    items: Sequence[Forced],
    most_tokens: int,
    most_context: int,
    sights: Sequence[Seen] = (),
) -> list[Scores | Exception]:
    """One result per item, in order. Items of similar length run together, at most `most_tokens` at once
    (0: each alone, so that no result depends on the others). `sights`: the images of each item's prompt."""
    sights = sights or [None] * len(items)
    results: list[Scores | Exception] = [
        fault if (fault := _fault(item, sight, model.vocabulary, most_context)) else Scores((), ())
        for item, sight in zip(items, sights, strict=True)
    ]
    order = sorted((i for i, result in enumerate(results) if isinstance(result, Scores)),
                   key=lambda i: _length(items[i]))  # fmt: skip
    while order:
        count = 1
        while count < len(order) and (count + 1) * _length(items[order[count]]) <= most_tokens:
            count += 1
        chosen, order = order[:count], order[count:]
        pairs = [(items[i], sights[i]) for i in chosen]
        for index, scores in zip(chosen, _score(model, pairs), strict=True):
            results[index] = scores
    return results


def _score(model: Model, pairs: list[tuple[Forced, Seen]]) -> list[Scores]:
    items = [item for item, _ in pairs]
    first = min(len(item.prompt_ids) for item in items) - 1
    logits = model.logits([_chunk(item, sight) for item, sight in pairs], first)
    scores = []
    for row, item in enumerate(items):
        start = len(item.prompt_ids) - 1 - first
        own = logits[row, start : start + len(item.response_ids)]
        tokens = torch.tensor(item.response_ids, device=own.device)[:, None]
        raw = logprobs_of(own, tokens)[:, 0].tolist()
        tempered = item.temperature not in (0, 1)
        processed = logprobs_of(own, tokens, item.temperature)[:, 0].tolist() if tempered else raw
        scores.append(Scores(processed, raw))
    return scores


def _chunk(item: Forced, sight: Seen) -> Chunk:
    return Chunk(
        [*item.prompt_ids, *item.response_ids[:-1]], sight=sight if isinstance(sight, Sight) else None
    )


def _length(item: Forced) -> int:
    return len(item.prompt_ids) + len(item.response_ids)


def _fault(item: Forced, sight: Seen, vocabulary: int, most_context: int) -> FarfieldError | None:
    return sight if isinstance(sight, FarfieldError) else fault_of(item, vocabulary, most_context)
