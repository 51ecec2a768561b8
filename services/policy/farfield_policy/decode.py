"""The decode loop's body: one batch of running responses, advanced token by token. No threads, no waiting.

Running responses sit in the first rows of the batch; a hole that a finished one leaves is filled by a new
request or by the last row. Each step attends only as far as the longest running row, rounded up.

In deterministic mode nothing of a response depends on its neighbours, bit for bit: each prompt is prefilled
alone, every step runs all rows of the batch, and a row attends to a length that follows from its own. Rows
whose lengths differ run in separate passes; a pass writes the keys of rows that are not its own to a spare
position.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from farfield_policy.admission import Shared, passes, share
from farfield_policy.engine import Completion, FinishReason, Version
from farfield_policy.kv_cache import SlotCache, rounded
from farfield_policy.model import Model
from farfield_policy.rows import Request, Rows, add_span
from farfield_policy.sampling import Drawn, Rules, draw, rules
from farfield_policy.stops import Decode, hit

FIXED_GRAIN = 64  # smallest attention length of deterministic mode; longer ones double


class Broken(Exception):
    """A response that the model could not go on with."""


@dataclass(frozen=True, slots=True)
class Settings:
    rows: int
    max_context: int
    prefill_tokens: int = 2048
    deterministic: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    request: Request
    result: Completion | Broken


class Decoder:
    """Owns the batch. Every call runs in one thread."""

    def __init__(self, model: Model, version: Version, settings: Settings, decode: Decode) -> None:
        self.model = model
        self.version = version
        self._settings = settings
        self._decode = decode
        self.reset()

    @torch.inference_mode()
    def reset(self) -> None:
        """An empty batch; running responses are forgotten."""
        rows, device = self._settings.rows, self.model.device
        self._rows = Rows(rows)
        capacity = rounded(self._settings.max_context + 1) if self._settings.deterministic else 0
        self._cache = SlotCache(rows if self._settings.deterministic else 0, capacity)
        self._tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self._positions = torch.zeros(rows, dtype=torch.long, device=device)
        self._advance = torch.zeros(rows, dtype=torch.long, device=device)  # 1 where a response runs
        self._mask = torch.full((rows, 0), 0.0, dtype=self.model.dtype, device=device)
        self._rules: Rules | None = None
        self._widen(capacity)

    @property
    def running(self) -> int:
        return self._settings.rows - len(self._rows.free())

    @property
    def free(self) -> int:
        return len(self._rows.free())

    def requests(self) -> list[Request]:
        return [request for request in self._rows.requests if request is not None]

    def swap(self, model: Model, version: Version) -> None:
        """Other weights from the next step on. Running responses keep the keys and values that earlier
        weights computed; which version drew which token is recorded."""
        self._rows.close_spans(self.version.version)
        self.model, self.version = model, version

    @torch.inference_mode()
    def cancel(self, request: Request) -> None:
        """Frees the row of a request, if it has one."""
        for row, running in enumerate(self._rows.requests):
            if running is request:
                self._release([row])

    @torch.inference_mode()
    def admit(self, requests: Sequence[Request]) -> list[Finished]:
        """Prefills up to `free` requests and draws the first token of each."""
        slots = self._rows.free()[: len(requests)]
        for row, request in zip(slots, requests, strict=True):
            room = self._settings.max_context - len(request.prompt_ids)
            self._rows.put(row, request, min(request.sampling.max_new_tokens, room))
        self._rules = None
        self._make_room(max(slots) + 1)
        finished = []
        distinct = share([request.prompt_ids for request in requests])
        most = 0 if self._settings.deterministic else self._settings.prefill_tokens
        for group in passes(distinct, most):
            finished += self._prefill(group, slots)
        return finished

    @torch.inference_mode()
    def step(self) -> list[Finished]:
        """Draws one token for every running response."""
        self._compact()
        active = np.array(self._rows.active(), np.int64)
        if not len(active):
            return []
        count = self._settings.rows if self._settings.deterministic else int(active[-1]) + 1
        logits = self._forward_fixed(active) if self._settings.deterministic else self._forward(count)
        if self._rules is None:
            self._rules = self._rules_of(slice(count))
        drawn = self._draw(logits, slice(count), self._rules)
        self._tokens[:count] = drawn.tokens
        self._positions += self._advance
        return self._accept(active, drawn, active)

    def _make_room(self, rows: int) -> None:
        """Room for that many rows, each one token longer than now."""
        if self._settings.deterministic:
            return
        capacity = self._cache.capacity
        needed = rounded(int(self._rows.length.max()) + 1)
        if needed > capacity:
            capacity = max(needed, min(2 * capacity, rounded(self._settings.max_context)))
        self._cache.grow(min(self._settings.rows, rounded(rows, 8)), capacity)
        self._widen(capacity)

    def _widen(self, capacity: int) -> None:
        missing = capacity - self._mask.shape[1]
        if missing > 0:
            lowest = torch.finfo(self.model.dtype).min
            self._mask = torch.nn.functional.pad(self._mask, (0, missing), value=lowest)
            self._mask[:, 0] = 0  # a row without a response attends to something, whatever it is

    def _prefill(self, group: list[Shared], slots: list[int]) -> list[Finished]:
        """Runs distinct prompts, copies their keys to all who share them, draws everyone's first token."""
        leaders = [slots[shared.members[0]] for shared in group]
        lengths = [len(shared.ids) for shared in group]
        self._cache.begin_prefill(torch.tensor(leaders, device=self.model.device))
        logits = self.model.prefill([shared.ids for shared in group], self._cache)
        members = [(slots[member], row) for row, shared in enumerate(group) for member in shared.members]
        rows = [row for row, _ in members]
        followers = [(row, leaders[at]) for row, at in members if row != leaders[at]]
        if followers:
            self._copy([leader for _, leader in followers], [row for row, _ in followers], max(lengths))
        for row, at in members:
            self._open(row, lengths[at])
        if self._settings.deterministic:
            return [done for row in rows for done in self._first(logits, [row])]
        return self._first(logits[[at for _, at in members]], rows)

    def _first(self, logits: Tensor, rows: list[int]) -> list[Finished]:
        drawn = self._draw(logits, rows, self._rules_of(rows))
        self._tokens[rows] = drawn.tokens
        return self._accept(np.array(rows, np.int64), drawn, np.arange(len(rows)))

    def _open(self, row: int, length: int) -> None:
        self._mask[row] = torch.finfo(self.model.dtype).min
        self._mask[row, :length] = 0
        self._positions[row] = length
        self._advance[row] = 1

    def _copy(self, source: list[int], target: list[int], length: int) -> None:
        device = self.model.device
        self._cache.copy(torch.tensor(source, device=device), torch.tensor(target, device=device), length)

    def _forward(self, count: int) -> Tensor:
        """Logits [count, vocabulary] of the running rows' next tokens."""
        positions = self._positions[:count]
        self._make_room(count)
        length = rounded(int(self._rows.length[:count].max()))
        self._see(positions)
        self._cache.begin_decode(positions, length)
        mask = self._mask[:count, None, None, :length]
        return self.model.decode(self._tokens[:count], positions, mask, self._cache)

    def _forward_fixed(self, active: NDArray[np.int64]) -> Tensor:
        """The same for all rows, in one pass per attention length; rows of other lengths are ignored."""
        lengths = fixed_lengths(self._rows.length, self._cache.capacity)
        self._see(self._positions)
        logits = None
        for length in sorted(set(lengths[active].tolist())):
            member = torch.from_numpy(lengths == length).to(self.model.device) & (self._advance > 0)
            spare = torch.full_like(self._positions, self._cache.capacity - 1)
            self._cache.begin_decode(torch.where(member, self._positions, spare), length)
            mask = self._mask[:, None, None, :length]
            some = self.model.decode(self._tokens, self._positions, mask, self._cache)
            logits = some if logits is None else torch.where(member[:, None], some, logits)
        assert logits is not None  # noqa: S101 - there is an active row
        return logits

    def _see(self, positions: Tensor) -> None:
        """Lets each row attend to the position that it is about to write."""
        width = self._mask.shape[1]
        rows = torch.arange(len(positions), device=positions.device)
        self._mask.view(-1)[rows * width + positions] = 0

    def _rules_of(self, rows: slice | list[int]) -> Rules:
        table = self._rows
        return rules(
            table.temperature[rows],
            table.top_k[rows],
            table.top_p[rows],
            self.model.device,
            uniform=self._settings.deterministic,
        )

    def _draw(self, logits: Tensor, rows: slice | list[int], rule: Rules) -> Drawn:
        uniforms = torch.from_numpy(self._rows.uniforms(rows)).to(self.model.device)
        return draw(logits, uniforms, rule)

    def _accept(self, rows: NDArray[np.int64], drawn: Drawn, at: NDArray[np.int64]) -> list[Finished]:
        """Records what `rows` drew (entries `at` of `drawn`); returns the responses that ended by it."""
        ids = drawn.tokens.cpu().numpy()[at]
        logprobs = drawn.logprobs.cpu().numpy()[at]
        self._rows.record(rows, ids, logprobs, drawn.raw_logprobs.cpu().numpy()[at])
        stopped = self._rows.stopped(rows, ids)
        full = self._rows.drawn[rows] >= self._rows.limit[rows]
        broken = ~np.isfinite(logprobs)
        finished = []
        for index in np.flatnonzero(stopped | full | broken | self._rows.watches_text[rows]):
            row = int(rows[index])
            done = self._ended(row, bool(stopped[index]), bool(full[index]), bool(broken[index]))
            if done is not None:
                finished.append((row, done))
        self._release([row for row, _ in finished])
        return [done for _, done in finished]

    def _ended(self, row: int, stopped: bool, full: bool, broken: bool) -> Finished | None:
        request = self._rows.requests[row]
        assert request is not None  # noqa: S101 - rows that draw have a request
        if broken:
            return Finished(request, Broken("the model computed a logprob that is not finite"))
        ids = self._rows.ids[row, : self._rows.drawn[row]].tolist()
        if stopped:
            return self._finish(row, request, ids, FinishReason.STOP_TOKEN, self._decode(ids[:-1]))
        if request.sampling.stop_strings:
            text = hit(ids, request.sampling.stop_strings, self._decode)
            if text is not None:
                return self._finish(row, request, ids, FinishReason.STOP_STRING, text)
        if not full:
            return None
        room = self._settings.max_context - len(request.prompt_ids)
        asked = request.sampling.max_new_tokens <= room
        reason = FinishReason.LENGTH if asked else FinishReason.CONTEXT
        return self._finish(row, request, ids, reason, self._decode(ids))

    def _finish(
        self, row: int, request: Request, ids: list[int], reason: FinishReason, text: str
    ) -> Finished:
        add_span(request, self.version.version, len(ids))
        completion = Completion(
            prompt_ids=request.prompt_ids,
            response_ids=ids,
            logprobs=self._rows.logprobs[row, : len(ids)].tolist(),
            raw_logprobs=self._rows.raw_logprobs[row, : len(ids)].tolist(),
            finish_reason=reason,
            text=text,
            spans=tuple(request.spans),
            run_id=self.version.run_id,
        )
        return Finished(request, completion)

    def _release(self, rows: list[int]) -> None:
        if not rows:
            return
        for row in rows:
            self._rows.release(row)
        self._advance[rows] = 0
        self._positions[rows] = 0
        self._rules = None

    def _compact(self) -> None:
        """Moves the last rows into the holes, so that the running rows are the first ones."""
        if self._settings.deterministic:
            return
        active = self._rows.active()
        holes = [row for row in range(len(active)) if self._rows.requests[row] is None]
        if not holes:
            return
        sources = active[-len(holes) :]
        self._copy(sources, holes, int(self._rows.length[sources].max()))
        for values in (self._tokens, self._positions, self._advance, self._mask):
            values[holes] = values[sources]
        self._rows.move(sources, holes)
        self._advance[sources] = 0
        self._positions[sources] = 0
        self._rules = None


def fixed_lengths(lengths: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """The attention length of each row in deterministic mode: a power of two times the grain, at most the
    capacity; a function of the row's own length alone."""
    doublings = np.ceil(np.log2(np.maximum(lengths, 1) / FIXED_GRAIN)).clip(min=0)
    return np.minimum(FIXED_GRAIN * 2 ** doublings.astype(np.int64), capacity)
