"""Bytes between ranks, over the process group that torch made: no pickles."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


class Channel:
    """Calls are collective: every rank makes the same ones in the same order, none at a time but one."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def send(self, data: bytes) -> None:
        """From rank 0 to all others, which `receive`."""
        dist.broadcast(torch.tensor([len(data)]), 0)
        if data:
            dist.broadcast(_tensor(data), 0)

    def receive(self) -> bytes:
        size = torch.zeros(1, dtype=torch.int64)
        dist.broadcast(size, 0)
        data = torch.zeros(int(size), dtype=torch.uint8)
        if len(data):
            dist.broadcast(data, 0)
        return _bytes(data)

    def exchange(self, data: bytes) -> list[bytes]:
        """What every rank gives, by rank."""
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(sizes, torch.tensor([len(data)]))
        longest = int(max(sizes))
        if not longest:
            return [b""] * self.size
        padded = _tensor(data + bytes(longest - len(data)))
        given = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(given, padded)
        return [_bytes(item[: int(size)]) for item, size in zip(given, sizes, strict=True)]


def sum_in_buckets(tensors: Iterable[Tensor], most: int = 1 << 24) -> None:
    """Adds up each tensor over all ranks, in place, many small ones (`most` elements) in one message."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(item.numel() for item in bucket) + tensor.numel() > most:
            _sum(bucket)
            bucket = []
        bucket.append(tensor)
    if bucket:
        _sum(bucket)


def _sum(bucket: list[Tensor]) -> None:
    flat = torch.cat([item.reshape(-1) for item in bucket])
    dist.all_reduce(flat)
    for item, summed in zip(bucket, flat.split([item.numel() for item in bucket]), strict=True):
        item.copy_(summed.view_as(item))


def _tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()
