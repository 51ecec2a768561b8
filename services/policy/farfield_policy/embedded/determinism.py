"""Whether this machine computes every row of a batch alike, which deterministic mode rests on."""

from farfield_kernel.errors import FailedPrecondition
from farfield_policy.embedded.decode import Decoder
from farfield_policy.embedded.rows import Request
from farfield_policy.engine import Completion, Sampling

_TOKENS = 6


def prove(decoder: Decoder, rows: int) -> None:
    """Draws the same response in every row at once, and by itself. Matrix libraries may treat the last rows
    of a batch differently; then there is no use in promising equal bits, and FailedPrecondition says so."""
    together = _play(decoder, rows)
    if any(other != together[0] for other in [*together, *_play(decoder, 1)]):
        raise FailedPrecondition(
            f"deterministic mode is not possible here: rows of a batch of {rows} differ in their last bits; "
            "try another max_rows (a multiple of 16), one thread, or set fused to false"
        )


def _play(decoder: Decoder, count: int) -> list[Completion | Exception]:
    ids = [1 + at % (decoder.model.vocabulary - 1) for at in range(min(5, decoder.model.max_context - 1))]
    finished = decoder.admit([Request(ids, Sampling(_TOKENS, temperature=1.0), seed=1) for _ in range(count)])
    while decoder.running:
        finished += decoder.step()
    return [done.result for done in finished]
