"""The seed of each turn's draws."""

import hashlib


def turn_seed(sampling_seed: int, turn: int) -> int:
    """A function of the episode's sampling seed and the turn alone, so that a turn that is generated
    again, by whatever worker, draws the same: the first 8 bytes, read as a little-endian integer, of
    BLAKE2b with the personalization `farfield/turn` over the seed (uint64) and the turn (uint32), both
    little-endian."""
    data = sampling_seed.to_bytes(8, "little") + turn.to_bytes(4, "little")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, person=b"farfield/turn").digest(), "little")
