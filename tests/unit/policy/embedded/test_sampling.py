import math

import numpy as np
import pytest
import torch

from farfield_policy.embedded.sampling import Rules, draw, filter_tokens, logprobs_of, process, rules


def make_rules(rows: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Rules:
    return rules(
        np.full(rows, temperature, np.float32), np.full(rows, top_k), np.full(rows, top_p, np.float32)
    )


def test_tokens_come_with_their_probabilities() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log().expand(100_000, 4)
    uniforms = (torch.arange(100_000) + 0.5) / 100_000
    drawn = draw(logits, uniforms, make_rules(100_000))
    shares = torch.bincount(drawn.tokens, minlength=4) / 100_000
    assert torch.allclose(shares, torch.tensor([0.1, 0.4, 0.2, 0.3]), atol=1e-4)
    assert torch.allclose(drawn.logprobs.exp(), shares[drawn.tokens], atol=1e-4)
    assert torch.equal(drawn.logprobs, drawn.raw_logprobs)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2.0**-24])
def test_the_ends_of_the_unit_interval_never_draw_what_has_no_probability(uniform: float) -> None:
    logits = torch.tensor([[-math.inf, 1.0, 2.0, -math.inf]])
    drawn = draw(logits, torch.tensor([uniform]), make_rules(1))
    assert drawn.tokens.item() == (1 if uniform == 0 else 2)


def test_greedy_takes_the_most_probable_and_its_logprob_is_the_raw_one() -> None:
    logits = torch.randn(8, 30, generator=torch.Generator().manual_seed(0))
    drawn = draw(logits, torch.rand(8), make_rules(8, temperature=0, top_k=3, top_p=0.5))
    assert torch.equal(drawn.tokens, logits.argmax(-1))
    expected = logits.log_softmax(-1).gather(-1, drawn.tokens[:, None])[:, 0]
    assert torch.allclose(drawn.logprobs, expected, atol=1e-6)
    assert torch.allclose(drawn.raw_logprobs, expected, atol=1e-6)


def test_temperature_changes_the_processed_logprob_alone() -> None:
    logits = torch.randn(5, 20, generator=torch.Generator().manual_seed(1))
    drawn = draw(logits, torch.full((5,), 0.3), make_rules(5, temperature=0.5))
    for values, scores in ((drawn.logprobs, logits / 0.5), (drawn.raw_logprobs, logits)):
        expected = scores.log_softmax(-1).gather(-1, drawn.tokens[:, None])[:, 0]
        assert torch.allclose(values, expected, atol=1e-6)


def test_filters_agree_with_a_plain_reading_of_the_definition() -> None:
    """Row by row: keep the k best, then the fewest of them whose renormalised mass reaches p."""
    generator = torch.Generator().manual_seed(2)
    scores = 3 * torch.randn(60, 25, generator=generator)
    top_k = torch.randint(0, 30, (60,), generator=generator)
    top_p = torch.rand(60, generator=generator)
    top_p[::5] = 1
    kept = filter_tokens(scores, top_k, top_p).isfinite()
    for row in range(60):
        order = sorted(range(25), key=lambda i: -scores[row, i].item())
        if top_k[row]:
            order = order[: int(top_k[row])]
        probabilities = scores[row, order].double().softmax(-1).tolist()
        expected, mass = [], 0.0
        for token, probability in zip(order, probabilities, strict=True):
            if expected and top_p[row] < 1 and mass >= top_p[row].item():
                break
            expected.append(token)
            mass += probability
        assert set(kept[row].nonzero()[:, 0].tolist()) == set(expected), row


def test_tokens_that_tie_with_the_last_of_top_k_are_kept() -> None:
    kept = filter_tokens(torch.tensor([[1.0, 2.0, 2.0, 0.0]]), torch.tensor([1]), torch.tensor([1.0]))
    assert kept.isfinite().tolist() == [[False, True, True, False]]


def test_a_filtered_token_is_never_drawn_and_logprobs_are_renormalised() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log().expand(1000, 4)
    drawn = draw(logits, torch.arange(1000) / 1000, make_rules(1000, top_k=2))
    assert set(drawn.tokens.tolist()) == {1, 3}
    shares = torch.tensor([0, 4 / 7, 0, 3 / 7])
    assert torch.allclose(drawn.logprobs.exp(), shares[drawn.tokens], atol=1e-6)
    assert torch.allclose(drawn.raw_logprobs.exp(), torch.tensor([0.1, 0.4, 0.2, 0.3])[drawn.tokens])


def test_a_row_is_drawn_alike_whatever_its_neighbours_ask_for() -> None:
    logits = torch.randn(1, 40, generator=torch.Generator().manual_seed(3)).expand(3, 40)
    mixed = rules(
        np.array([1, 0.5, 0], np.float32),
        np.array([0, 4, 0]),
        np.array([1, 0.8, 1], np.float32),
        uniform=True,
    )
    together = draw(logits, torch.full((3,), 0.6), mixed)
    alone = draw(
        logits[:1],
        torch.tensor([0.6]),
        rules(np.ones(1, np.float32), np.zeros(1, np.int64), np.ones(1, np.float32), uniform=True),
    )
    assert together.tokens[0] == alone.tokens[0]
    assert together.logprobs[0] == alone.logprobs[0]
    assert together.raw_logprobs[0] == alone.raw_logprobs[0]


def test_a_row_of_nan_shows_in_its_logprob_and_harms_no_other() -> None:
    logits = torch.zeros(2, 4)
    logits[0] = math.nan
    drawn = draw(logits, torch.tensor([0.5, 0.5]), make_rules(2))
    assert drawn.logprobs.isnan().tolist() == [True, False]


def test_without_filters_nothing_is_touched() -> None:
    logits = torch.randn(2, 5)
    assert process(logits, make_rules(2, top_p=0)) is logits


def test_logprobs_of_many_tokens_at_a_temperature() -> None:
    logits = torch.randn(3, 7, 11)
    tokens = torch.randint(0, 11, (3, 7, 1))
    expected = (logits / 2).log_softmax(-1).gather(-1, tokens)
    assert torch.allclose(logprobs_of(logits, tokens, 2.0), expected, atol=1e-6)
