import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farfield_trainer.learning.packing import common_prefix, pack

SEQUENCES = st.lists(st.lists(st.integers(1, 2), min_size=1, max_size=12), min_size=1, max_size=12)


def test_common_prefix() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([1, 2], [1, 2, 4]) == 2
    assert common_prefix([], [1]) == 0


@given(SEQUENCES, st.integers(4, 40), st.booleans())
def test_every_token_is_found_where_its_sequence_sees_itself_alone(
    sequences: list[list[int]], budget: int, share: bool
) -> None:
    seen = []
    for micro in pack(sequences, range(len(sequences)), budget, share=share, token_cost=1000):
        width = micro.ids.shape[1]
        assert micro.padded_tokens <= budget or len(micro.ids) == 1
        for member, nodes in zip(micro.members, micro.nodes, strict=True):
            seen.append(member)
            row, places = nodes[0] // width, nodes % width
            assert micro.ids.reshape(-1)[nodes].tolist() == sequences[member]
            if micro.mask is None:
                assert places.tolist() == list(range(len(nodes)))
                continue
            assert micro.positions[row, places].tolist() == list(range(len(nodes)))
            for depth, place in enumerate(places):
                assert np.flatnonzero(micro.mask[row, place]).tolist() == places[: depth + 1].tolist()
    assert sorted(seen) == list(range(len(sequences)))


def test_padding_attends_to_something() -> None:
    sequences = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7], [9, 9]]
    (micro,) = pack(sequences, range(3), 100, share=True, token_cost=1000)
    assert micro.mask.any(-1).all()


def test_shared_prefixes_are_laid_out_once() -> None:
    prompt = list(range(10))
    sequences = [[*prompt, tail, tail] for tail in (20, 21, 22)]
    (shared,) = pack(sequences, range(3), 100, share=True, token_cost=1000)
    (apart,) = pack(sequences, range(3), 100, share=False, token_cost=1000)
    assert shared.padded_tokens == 10 + 3 * 2
    assert apart.padded_tokens == 3 * 12


def test_sharing_that_does_not_pay_is_left() -> None:
    sequences = [[1, *[2] * 50], [1, *[3] * 50]]
    (micro,) = pack(sequences, range(2), 1000, share=True, token_cost=10)
    assert micro.mask is None


def test_only_the_named_members_are_packed_and_lengths_are_sorted() -> None:
    sequences = [[1], [2] * 5, [3] * 9, [4] * 2]
    packed = pack(sequences, [0, 2, 3], 9, share=False, token_cost=1)
    assert [micro.members for micro in packed] == [[2], [3, 0]]


def test_packing_is_a_function_of_its_input() -> None:
    sequences = [[1, 2, 3], [1, 2], [1, 2, 3], [4]]
    first, second = (pack(sequences, range(4), 6, share=True, token_cost=100) for _ in range(2))
    assert [(m.members, m.ids.tolist()) for m in first] == [(m.members, m.ids.tolist()) for m in second]
