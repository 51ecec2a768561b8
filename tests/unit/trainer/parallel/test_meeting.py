from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from farfield_kernel.errors import Unavailable
from farfield_trainer.parallel.meeting import corner


def lived(store: dist.Store, size: int) -> list[bytes]:
    """One life of a group: what each rank finds that rank 0 has written."""

    def live(rank: int) -> bytes:
        own = corner(store, rank, size, 20)
        if rank == 0:
            assert not own.check(["word"])
            own.set("word", "new")
        return own.get("word")

    with ThreadPoolExecutor(size) as ranks:
        return list(ranks.map(live, range(size)))


def test_every_life_has_a_corner_of_its_own() -> None:
    store = dist.HashStore()
    for _ in range(3):
        assert lived(store, 3) == [b"new"] * 3


def test_names_of_the_dead_are_waited_out() -> None:
    """Rank 1 died before it answered; the roll is made anew when the next one has given its name."""
    store = dist.HashStore()
    store.set("farfield/name/1", "dead")
    store.set("farfield/roll", "older,dead")
    assert lived(store, 2) == [b"new"] * 2


def test_who_does_not_come_is_named() -> None:
    with pytest.raises(Unavailable, match=r"rank 0 waited 0\.05 s for the others of 2 ranks"):
        corner(dist.HashStore(), 0, 2, 0.05)
