import torch

from farfield_policy.embedded.kv_cache import Snapshot
from farfield_policy.embedded.prefixes import Prefixes, prefix_hashes


def snapshot() -> Snapshot:
    return [(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))]


def test_hashes_are_of_prefixes_and_of_their_order() -> None:
    long, short = prefix_hashes([4, 5, 6, 7]), prefix_hashes([4, 5])
    assert long[:2].tolist() == short.tolist()
    assert prefix_hashes([5, 4])[-1] != short[-1]
    assert len(set(long.tolist())) == 4


def test_the_longest_prefix_is_found() -> None:
    prefixes = Prefixes(100)
    shorter, longer = snapshot(), snapshot()
    prefixes.add([1, 2], shorter)
    prefixes.add([1, 2, 3, 4], longer)
    assert prefixes.find([1, 2, 3, 4, 5], 1) == (4, longer)
    assert prefixes.find([1, 2, 9, 4, 5], 1) == (2, shorter)
    assert prefixes.find([2, 1, 3], 1) is None


def test_a_prompt_must_go_on_from_what_is_found() -> None:
    prefixes = Prefixes(100)
    prefixes.add([1, 2, 3], snapshot())
    assert prefixes.find([1, 2, 3], 1) is None
    assert prefixes.find([1, 2, 3, 4], 4) is None


def test_the_latest_used_stay_within_the_budget() -> None:
    prefixes = Prefixes(6)
    prefixes.add([1, 1], snapshot())
    prefixes.add([2, 2], snapshot())
    prefixes.add([3, 3], snapshot())
    assert prefixes.find([1, 1, 0], 1)
    prefixes.add([4, 4], snapshot())
    assert prefixes.find([2, 2, 0], 1) is None
    assert all(prefixes.find([at, at, 0], 1) for at in (1, 3, 4))
    prefixes.clear()
    assert prefixes.find([1, 1, 0], 1) is None


def test_ids_that_are_added_again_count_once() -> None:
    prefixes = Prefixes(4)
    for _ in range(5):
        prefixes.add([1, 1], snapshot())
    prefixes.add([2, 2], snapshot())
    assert prefixes.find([1, 1, 0], 1)
