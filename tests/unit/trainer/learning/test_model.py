from pathlib import Path

import numpy as np
import pytest
import torch

from farfield_model.loading import load_module
from farfield_trainer.learning import model as model_module
from farfield_trainer.learning.layout import layout, wanted
from farfield_trainer.learning.model import (
    Policy,
    SelectedLogprobs,
    shares_prefixes,
)
from farfield_trainer.learning.packing import pack
from farfield_trainer.learning.sft import Target

CPU = torch.device("cpu")
SEQUENCES = [[3, 5, 6, 7, 4, 8, 9, 1], [3, 5, 6, 7, 4, 8, 10, 11, 1], [3, 9, 4, 5, 1]]
TARGETS = [Target(0, 5, 8, 1.0), Target(1, 5, 9, 1.0), Target(2, 3, 5, 1.0)]


def plain_logprobs(checkpoint: Path, temperature: float) -> np.ndarray:
    """Every target's logprob from one plain forward pass per sequence, softmax in numpy."""
    model = load_module(checkpoint)
    result = []
    for target in TARGETS:
        ids = SEQUENCES[target.sequence]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double().numpy() / temperature
        table = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        result += [table[place - 1, ids[place]] for place in range(target.start, target.end)]
    return np.array(result)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("budget", [8, 16, 1000])
def test_logprobs_are_those_of_a_plain_forward(checkpoint: Path, share: bool, budget: int) -> None:
    policy = Policy(load_module(checkpoint), with_values=False)
    flat = layout(TARGETS, len(SEQUENCES))
    actual = np.zeros(flat.tokens)
    for micro in pack(SEQUENCES, range(3), budget, share=share, token_cost=1000):
        want = wanted(micro, flat, CPU)
        temperatures = torch.full((len(want.tokens),), 0.7)
        scored = policy(micro, want.sources, want.targets, temperatures, want.prompts)
        actual[want.tokens] = scored.logprobs.detach().numpy()
    np.testing.assert_allclose(actual, plain_logprobs(checkpoint, 0.7), atol=1e-5)


def test_values_are_a_linear_map_of_the_last_hidden_state(checkpoint: Path) -> None:
    model = load_module(checkpoint)
    policy = Policy(model, with_values=True)
    torch.nn.init.normal_(policy.value.weight)
    flat = layout(TARGETS, len(SEQUENCES))
    (micro,) = pack(SEQUENCES, range(3), 1000, share=True, token_cost=1000)
    want = wanted(micro, flat, CPU)
    with torch.no_grad():
        values = policy(micro, want.sources, want.targets, torch.ones(flat.tokens), want.prompts).values
        for turn, value in zip(want.turns.tolist(), values.tolist(), strict=True):
            ids = SEQUENCES[TARGETS[turn].sequence][: TARGETS[turn].start]
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0, -1]
            assert value == pytest.approx((policy.value.weight @ hidden).item(), abs=1e-5)


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_selected_logprobs_and_their_gradient(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(model_module, "CHUNK", chunk)
    torch.manual_seed(0)
    logits = torch.randn(7, 11, requires_grad=True)
    targets, temperatures, weights = torch.randint(11, (7,)), torch.rand(7) + 0.5, torch.randn(7)
    logprobs, entropy = SelectedLogprobs.apply(logits, targets, temperatures)
    (logprobs * weights).sum().backward()
    mine, logits.grad = logits.grad, None
    table = (logits / temperatures[:, None]).log_softmax(-1)
    expected = table[torch.arange(7), targets]
    (expected * weights).sum().backward()
    torch.testing.assert_close(logprobs, expected)
    torch.testing.assert_close(mine, logits.grad)
    torch.testing.assert_close(entropy, -(table.exp() * table).sum(-1).detach())


@pytest.mark.parametrize(("device", "sizes"), [("cpu", [8] * 8), ("cuda", [64])])
def test_a_gpu_takes_more_logits_at_once(device: str, sizes: list[int]) -> None:
    """Of 64 rows of 131,072."""
    chunks = model_module.chunks(64, 1 << 17, torch.device(device))
    assert [rows.stop - rows.start for rows in chunks] == sizes


def test_a_forbidden_token_has_no_share_in_the_entropy() -> None:
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    _, entropy = SelectedLogprobs.apply(logits, torch.tensor([0]), torch.ones(1))
    assert entropy.item() == pytest.approx(np.log(2))


def test_bfloat16_stays_near(checkpoint: Path) -> None:
    flat = layout(TARGETS, len(SEQUENCES))
    (micro,) = pack(SEQUENCES, range(3), 1000, share=False, token_cost=1)
    want = wanted(micro, flat, CPU)
    results = []
    for autocast in (False, True):
        policy = Policy(load_module(checkpoint), with_values=True, autocast=autocast)
        scored = policy(micro, want.sources, want.targets, torch.ones(flat.tokens), want.prompts)
        scored.logprobs.sum().backward()
        results.append(scored.logprobs.detach())
    assert results[1].dtype == torch.float32
    torch.testing.assert_close(*results, atol=0.1, rtol=0)
    assert not torch.equal(*results)


def test_sliding_windows_do_not_share_prefixes(checkpoint: Path) -> None:
    model = load_module(checkpoint)
    assert shares_prefixes(model)
    model.config.sliding_window = 8
    assert not shares_prefixes(model)
