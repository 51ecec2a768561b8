"""Where ranks meet: a corner of torchrun's store that no earlier life of the group has written in.

torchrun of torch 2.13 gives the processes that it starts again the store of those that are gone, and a rank
that reads an address from it may wait for the dead. So each process names itself anew; rank 0 makes the roll
of the names that are there, and goes on when everyone on it has answered to that very roll.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import torch.distributed as dist

from farfield_kernel.errors import Unavailable

_ROLL, _LOOK_SECONDS = "farfield/roll", 0.02


def meet(rank: int, size: int, timeout_seconds: float) -> dist.Store:
    """The corner of this life, once all ranks are there; Unavailable when they are not in time."""
    store, _, _ = next(dist.rendezvous("env://", rank, size, timeout=timedelta(seconds=timeout_seconds)))
    return corner(store, rank, size, timeout_seconds)


def corner(store: dist.Store, rank: int, size: int, timeout_seconds: float) -> dist.Store:
    own = uuid4().hex
    store.set(_name(rank), own)
    look: Callable[[], str] = (lambda: _answered(store, own)) if rank else (lambda: _called(store, size))
    deadline = time.monotonic() + timeout_seconds
    while not (roll := look()):
        if time.monotonic() > deadline:
            raise Unavailable(f"rank {rank} waited {timeout_seconds:g} s for the others of {size} ranks")
        time.sleep(_LOOK_SECONDS)
    return dist.PrefixStore(f"farfield/{roll}", store)


def _called(store: dist.Store, size: int) -> str:
    """Rank 0: the roll that all others have answered to, or nothing yet."""
    names = [_name(rank) for rank in range(size)]
    if not store.check(names):
        return ""
    present = [store.get(name).decode() for name in names]
    roll = ",".join(present)
    store.set(_ROLL, roll)
    if not store.check([f"{roll}/{one}" for one in present[1:]]):
        return ""
    store.set(f"{roll}/complete", "")
    return roll


def _answered(store: dist.Store, own: str) -> str:
    """Another rank: the roll that is complete and has its name, or nothing yet."""
    roll = store.get(_ROLL).decode() if store.check([_ROLL]) else ""
    if own not in roll.split(","):
        return ""
    store.set(f"{roll}/{own}", "")
    return roll if store.check([f"{roll}/complete"]) else ""


def _name(rank: int) -> str:
    return f"farfield/name/{rank}"
