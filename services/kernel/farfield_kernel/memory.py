"""Memory that a large message took is kept for the next one.

glibc gives blocks of more than 128 KiB back to the kernel when they are freed, and the free end of its heap
with them. Every 4 KiB of the next message are then a page fault, which takes longer than to write them: a
batch of 32 images of 60 KiB was encoded in 2.0 ms, and is in 0.4 ms with the memory kept (Linux, Intel Xeon).
"""

import ctypes

KEPT_BYTES = 64 * 1024 * 1024
"""The free end of a heap from which on some is given back: the largest message."""
HEAP_BYTES = 32 * 1024 * 1024
"""Blocks up to this size come from the heap: the most that glibc takes on 64 bits."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_…` of glibc's malloc.h."""


def keep() -> bool:
    """For this process, from now on. False under another C library, which is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, HEAP_BYTES))
