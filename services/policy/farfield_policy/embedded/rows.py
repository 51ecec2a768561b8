"""The host's side of the decode batch: what each row was asked for and what it has drawn so far.

One array per property, one entry per row, so that a step over all rows is a few array operations.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from farfield_policy.embedded.draws import uniforms
from farfield_policy.embedded.sight import Sight
from farfield_policy.engine import Sampling, Span


@dataclass(eq=False, slots=True)
class Request:
    """A prompt by its ids, on its way through the batch."""

    prompt_ids: Sequence[int]
    sampling: Sampling
    seed: int = 0
    stop_ids: tuple[int, ...] = ()
    """Every id that ends the response: the model's own and the request's."""
    sight: Sight | None = None
    """The images that the prompt holds."""
    spans: list[Span] = field(default_factory=list)
    """Tokens of versions that no longer serve."""
    on_token: Callable[[int, float], None] | None = None
    """Told the id and the logprob of each token after which the response goes on."""

    @property
    def identity(self) -> Sequence[int]:
        """What tells this prompt from others: its ids, those of image tokens replaced by the image's own."""
        return self.prompt_ids if self.sight is None else self.sight.identity


class Rows:
    """Rows 0..capacity-1; `requests[row]` is None where a row is free."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.requests: list[Request | None] = [None] * capacity
        self.seed = np.zeros(capacity, np.uint64)
        self.drawn = np.zeros(capacity, np.int64)
        self.limit = np.zeros(capacity, np.int64)
        self.length = np.zeros(capacity, np.int64)  # prompt and response
        self.temperature = np.ones(capacity, np.float32)
        self.top_k = np.zeros(capacity, np.int64)
        self.top_p = np.ones(capacity, np.float32)
        self.of_these_weights = np.zeros(capacity, bool)  # begun with the weights that serve now
        self.watches_text = np.zeros(capacity, bool)
        self.streams = np.zeros(capacity, bool)
        self.stop_ids = np.full((capacity, 1), -1, np.int64)
        self.ids = np.zeros((capacity, 0), np.int32)
        self.logprobs = np.zeros((capacity, 0), np.float32)
        self.raw_logprobs = np.zeros((capacity, 0), np.float32)

    def active(self) -> list[int]:
        return [row for row, request in enumerate(self.requests) if request is not None]

    def free(self) -> list[int]:
        return [row for row, request in enumerate(self.requests) if request is None]

    def put(self, row: int, request: Request, limit: int) -> None:
        """Gives a free row to a request that may draw up to `limit` tokens."""
        self._widen(limit, len(request.stop_ids))
        sampling = request.sampling
        self.requests[row] = request
        self.seed[row] = request.seed
        self.drawn[row], self.limit[row], self.length[row] = 0, limit, len(request.prompt_ids)
        self.temperature[row], self.top_k[row] = sampling.temperature, sampling.top_k
        self.top_p[row] = sampling.top_p
        self.of_these_weights[row] = True
        self.watches_text[row] = bool(sampling.stop_strings)
        self.streams[row] = request.on_token is not None
        self.stop_ids[row] = -1
        self.stop_ids[row, : len(request.stop_ids)] = request.stop_ids

    def release(self, row: int) -> None:
        self.requests[row] = None
        self.length[row] = 0
        self.temperature[row], self.top_k[row], self.top_p[row] = 1, 0, 1

    def move(self, source: Sequence[int], target: Sequence[int]) -> None:
        """Moves rows to free rows."""
        for values in self._columns():
            values[target] = values[source]
        for old, new in zip(source, target, strict=True):
            self.requests[new] = self.requests[old]
            self.release(old)

    def _columns(self) -> list[NDArray]:
        return [values for values in vars(self).values() if isinstance(values, np.ndarray)]

    def uniforms(self, rows: slice | Sequence[int]) -> NDArray[np.float32]:
        """The draws of the rows' next tokens."""
        return uniforms(self.seed[rows], self.drawn[rows].astype(np.uint64))

    def record(
        self,
        rows: NDArray[np.int64],
        ids: NDArray[np.int64],
        logprobs: NDArray[np.float32],
        raw_logprobs: NDArray[np.float32],
    ) -> None:
        """Appends one drawn token to each of `rows`."""
        at = self.drawn[rows]
        self.ids[rows, at] = ids
        self.logprobs[rows, at] = logprobs
        self.raw_logprobs[rows, at] = raw_logprobs
        self.drawn[rows] += 1
        self.length[rows] += 1

    def stopped(self, rows: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `rows` have just drawn a token that ends them."""
        return (self.stop_ids[rows] == ids[:, None]).any(axis=1)

    def close_spans(self, version: int) -> None:
        """Notes, before the weights change, how many tokens of each running response they drew."""
        for row, request in enumerate(self.requests):
            if request is not None:
                add_span(request, version, int(self.drawn[row]))
        self.of_these_weights[:] = False

    def prompts_of_these_weights(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Rows and the identities of their prompts, whose keys and values the serving weights computed."""
        for row, request in enumerate(self.requests):
            if request is not None and self.of_these_weights[row]:
                yield row, request.identity

    def _widen(self, tokens: int, stops: int) -> None:
        missing = tokens - self.ids.shape[1]
        if missing > 0:
            pad = ((0, 0), (0, missing))
            self.ids = np.pad(self.ids, pad)
            self.logprobs, self.raw_logprobs = np.pad(self.logprobs, pad), np.pad(self.raw_logprobs, pad)
        if stops > self.stop_ids.shape[1]:
            extra = ((0, 0), (0, stops - self.stop_ids.shape[1]))
            self.stop_ids = np.pad(self.stop_ids, extra, constant_values=-1)


def add_span(request: Request, version: int, drawn: int) -> None:
    """Gives the tokens that no span holds yet to `version`."""
    tokens = drawn - sum(span.tokens for span in request.spans)
    if tokens:
        request.spans.append(Span(version, tokens))
