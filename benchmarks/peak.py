"""What a device reaches by itself, for shares of it: a matrix product in a dtype, and a copy in memory."""

import time
from collections.abc import Callable

import torch


def matmul_flops(device: str, dtype: torch.dtype, size: int = 8192) -> float:
    """Floating-point operations per second of one square product."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds(device, lambda: left @ right)


def copied_bytes(device: str, count: int = 1 << 30) -> float:
    """Bytes read and written per second by a copy of `count` bytes."""
    source = torch.zeros(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * count / seconds(device, lambda: target.copy_(source))


def seconds(device: str, work: Callable[[], object], repeats: int = 20) -> float:
    """Of one `work`, after a warm-up."""
    work()
    synchronize(device)
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    synchronize(device)
    return (time.perf_counter() - started) / repeats


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)
