import torch

from farfield_policy.embedded.kv_cache import SlotCache, rounded


def states(rows: int, tokens: int, seed: int, heads: int = 2, size: int = 3) -> torch.Tensor:
    return torch.randn(rows, heads, tokens, size, generator=torch.Generator().manual_seed(seed))


def test_lengths_are_rounded_up() -> None:
    assert [rounded(length) for length in (1, 8, 9)] == [8, 8, 16]


def test_prompts_then_tokens_each_at_its_own_position() -> None:
    cache = SlotCache(rows=3, capacity=8)
    cache.begin_prefill(torch.tensor([2, 0]))
    keys, values = states(2, 4, 0), states(2, 4, 1)
    seen, _ = cache.update(keys, values, 0)
    assert seen is keys
    cache.begin_decode(torch.tensor([4, 0, 2]), length=6)
    new_keys, new_values = states(3, 1, 2), states(3, 1, 3)
    got_keys, got_values = cache.update(new_keys, new_values, 0)
    assert got_keys.shape == got_values.shape == (3, 2, 6, 3)
    assert torch.equal(got_keys[0, :, :4], keys[1])
    assert torch.equal(got_keys[0, :, 4], new_keys[0, :, 0])
    assert torch.equal(got_values[1, :, 0], new_values[1, :, 0])
    assert torch.equal(got_values[2, :, :2], values[0, :, :2])
    assert torch.equal(got_values[2, :, 2], new_values[2, :, 0])


def test_growing_keeps_what_was_written() -> None:
    cache = SlotCache(rows=1, capacity=4)
    cache.begin_prefill(torch.tensor([0]))
    keys = states(1, 4, 0)
    cache.update(keys, keys, 0)
    cache.grow(rows=3, capacity=16)
    cache.begin_decode(torch.tensor([4, 0, 0]), length=8)
    got, _ = cache.update(states(3, 1, 1), states(3, 1, 2), 0)
    assert got.shape == (3, 2, 8, 3)
    assert torch.equal(got[0, :, :4], keys[0])
    assert not got[0, :, 5:].any()


def test_layers_may_differ_in_heads_and_size() -> None:
    cache = SlotCache(rows=2, capacity=4)
    cache.begin_decode(torch.tensor([0, 1]), length=2)
    for layer, (heads, size) in enumerate([(1, 2), (4, 5)]):
        new = states(2, 1, layer, heads, size)
        got, _ = cache.update(new, new, layer)
        assert torch.equal(got[1, :, 1], new[1, :, 0])


def test_a_copied_row_reads_the_same() -> None:
    cache = SlotCache(rows=3, capacity=4)
    cache.begin_prefill(torch.tensor([0]))
    keys = states(1, 3, 0)
    cache.update(keys, keys, 0)
    cache.copy(torch.tensor([0, 0]), torch.tensor([1, 2]), 3)
    cache.begin_decode(torch.tensor([3, 3, 3]), length=4)
    got, _ = cache.update(states(3, 1, 1), states(3, 1, 1), 0)
    assert torch.equal(got[1, :, :3], keys[0])
    assert torch.equal(got[2, :, :3], keys[0])


def test_padding_of_a_pass_beyond_the_capacity_is_left_out() -> None:
    cache = SlotCache(rows=1, capacity=2)
    cache.begin_prefill(torch.tensor([0]))
    cache.update(states(1, 5, 0), states(1, 5, 0), 0)
    cache.begin_decode(torch.tensor([1]), length=2)
    got, _ = cache.update(states(1, 1, 1), states(1, 1, 1), 0)
    assert torch.equal(got[0, :, 0], states(1, 5, 0)[0, :, 0])
