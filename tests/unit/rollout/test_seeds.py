"""The documented seed of a turn."""

import hashlib

from farfield_rollout.seeds import turn_seed


def test_the_seed_is_the_documented_hash() -> None:
    digest = hashlib.blake2b(
        bytes([7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]), digest_size=8, person=b"farfield/turn"
    ).digest()
    assert turn_seed(7, 2) == int.from_bytes(digest, "little")


def test_seeds_do_not_change_between_releases() -> None:
    assert turn_seed(0, 0) == 10647364425578822365
    assert turn_seed(2**64 - 1, 9) == 5228574426989313241


def test_seeds_are_apart() -> None:
    assert len({turn_seed(seed, turn) for seed in range(50) for turn in range(50)}) == 2500
    assert all(0 <= turn_seed(seed, 0) < 2**64 for seed in range(100))
