import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from farfield_trainer.learning.packing import MicroBatch
from farfield_trainer.parallel.dealing import balanced, budget, in_step

costs = st.lists(st.floats(1, 1000), max_size=20)


def micro(rows: int, width: int) -> MicroBatch:
    return MicroBatch(np.zeros((rows, width), np.int64), None, None, [], [])


@given(costs, st.integers(1, 5))
def test_everything_is_dealt_once_and_nobody_has_much_more(costs: list[float], ranks: int) -> None:
    parts = balanced(costs, ranks)
    assert len(parts) == ranks
    assert sorted(place for part in parts for place in part) == list(range(len(costs)))
    loads = [sum(costs[place] for place in part) for part in parts]
    assert max(loads) - min(loads) <= max(costs, default=0) + 1e-6


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 30)), min_size=1, max_size=12), st.integers(1, 5))
def test_in_step_all_ranks_make_equally_many_passes(shapes: list[tuple[int, int]], ranks: int) -> None:
    micros = [micro(*shape) for shape in shapes]
    dealt = [in_step(micros, 100, ranks, rank) for rank in range(ranks)]
    assert {len(passes) for passes in dealt} == {-(-len(micros) // ranks)}
    counted = [one.micro for passes in dealt for one in passes if one.counts]
    assert sorted(map(id, counted)) == sorted(map(id, micros))
    assert all(one.counts for passes in dealt for one in passes[:-1])


def test_a_small_step_is_cut_so_that_every_rank_has_work() -> None:
    assert budget(100, 2048, 2) == 50
    assert budget(100_000, 2048, 2) == 2048
    assert budget(1, 2048, 4) == 1
