import numpy as np
import torch

from farfield_kernel.errors import InvalidArgument
from farfield_policy.embedded.model import Model
from farfield_policy.embedded.scoring import score
from farfield_policy.engine import Forced, Scores


def expected(model: Model, item: Forced) -> tuple[list[float], list[float]]:
    ids = torch.tensor([[*item.prompt_ids, *item.response_ids]])
    with torch.inference_mode():
        logits = model.module(input_ids=ids, use_cache=False).logits[0]
    places = range(len(item.prompt_ids) - 1, ids.shape[1] - 1)
    tempered = (logits / (item.temperature or 1)).log_softmax(-1)
    raw = logits.log_softmax(-1)
    return [tempered[i, ids[0, i + 1]].item() for i in places], [raw[i, ids[0, i + 1]].item() for i in places]


def items() -> list[Forced]:
    return [
        Forced([5, 6, 7], [8, 9], 0.5),
        Forced([10], [11, 12, 13, 14, 15, 16, 17], 1.0),
        Forced(list(range(5, 25)), [7], 0.0),
        Forced(list(range(5, 12)), [30, 31, 32], 2.0),
    ]


def test_scores_are_those_of_each_item_alone(model: Model) -> None:
    for most_tokens in (0, 20, 1000):
        for item, scores in zip(items(), score(model, items(), most_tokens, 128), strict=True):
            processed, raw = expected(model, item)
            assert np.allclose(scores.logprobs, processed, atol=1e-5)
            assert np.allclose(scores.raw_logprobs, raw, atol=1e-5)


def test_without_batching_nothing_depends_on_the_other_items(llama_model: Model) -> None:
    together = score(llama_model, items(), 0, 128)
    assert together == [score(llama_model, [item], 0, 128)[0] for item in items()]


def test_a_wrong_item_fails_alone(llama_model: Model) -> None:
    wrong = [
        Forced([], [5]),
        Forced([5], []),
        Forced([5], [4000]),
        Forced([5] * 100, [5] * 29),
        Forced([5], [5], -1.0),
    ]
    results = score(llama_model, [*wrong, Forced([5], [6])], 1000, 128)
    assert all(isinstance(result, InvalidArgument) for result in results[:-1])
    assert isinstance(results[-1], Scores)
