"""The decode loop's body: one batch of running responses, advanced token by token. No threads, no waiting.

Running responses sit in the first rows of the batch; a hole that a finished one leaves is filled by a new
request or by the last row. Each step attends only as far as the longest running row, rounded up. A prompt
that goes on from a finished response, or that a running one began with, computes only what is new.

In deterministic mode nothing of a response depends on its neighbours or on what ran before, bit for bit:
each prompt is prefilled whole and alone, every step runs all rows of the batch, and a row attends to a
length that follows from its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from farfield_policy.embedded.admission import Entry, passes, share
from farfield_policy.embedded.batch import Batch
from farfield_policy.embedded.model import Model
from farfield_policy.embedded.prefixes import Prefixes
from farfield_policy.embedded.rows import Request, Rows, add_span
from farfield_policy.embedded.sampling import Drawn, Rules, draw, rules
from farfield_policy.engine import Completion, FinishReason, Version
from farfield_policy.stops import Decode, ends, hit

WORTH_KEEPING = 16  # tokens; to copy fewer is no cheaper than to compute them


class Broken(Exception):
    """A response that the model could not go on with."""


@dataclass(frozen=True, slots=True)
class Settings:
    rows: int
    max_context: int
    prefill_tokens: int = 2048
    kept_tokens: int = 32768
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
        self.reused = 0
        """Prompt tokens that did not have to be computed."""
        self._settings = settings
        self._decode = decode
        self.reset()

    @torch.inference_mode()
    def reset(self) -> None:
        """An empty batch; running responses are forgotten."""
        settings = self._settings
        self._rows = Rows(settings.rows)
        self._batch = Batch(self.model, settings.rows, settings.max_context, settings.deterministic)
        self._prefixes = Prefixes(0 if settings.deterministic else settings.kept_tokens)
        self._rules: Rules | None = None

    @property
    def running(self) -> int:
        return self._settings.rows - self.free

    @property
    def free(self) -> int:
        return len(self._rows.free())

    def swap(self, model: Model, version: Version) -> None:
        """Other weights from the next step on. Running responses keep the keys and values that earlier
        weights computed; which version drew which token is recorded."""
        self._rows.close_spans(self.version.version)
        self._prefixes.clear()
        self.model = self._batch.model = model
        self.version = version

    @torch.inference_mode()
    def cancel(self, request: Request) -> None:
        """Frees the row of a request, if it has one."""
        for row, running in enumerate(self._rows.requests):
            if running is request:
                self._release([row])

    @torch.inference_mode()
    def admit(self, requests: Sequence[Request]) -> list[Finished]:
        """Prefills up to `free` requests and draws the first token of each."""
        entries = share(requests)
        if not self._settings.deterministic:
            self._recall(entries)
        slots = self._rows.free()[: len(requests)]
        for row, request in zip(slots, requests, strict=True):
            room = self._settings.max_context - len(request.prompt_ids)
            self._rows.put(row, request, min(request.sampling.max_new_tokens, room))
        self._rules = None
        self._batch.reserve(max(slots) + 1, int(self._rows.length.max()) + 1)
        for entry in entries:
            entry.row = slots[entry.members[0]]
        most = 0 if self._settings.deterministic else self._settings.prefill_tokens
        return [done for group in passes(entries, most) for done in self._prefill(group, slots)]

    @torch.inference_mode()
    def step(self) -> list[Finished]:
        """Draws one token for every running response."""
        active = self._compact()
        if not len(active):
            return []
        logits = self._batch.step(self._rows.length, active)
        count = slice(len(logits))
        if self._rules is None:
            self._rules = self._rules_of(count)
        drawn = self._draw(logits, count, self._rules)
        self._batch.feed(count, drawn.tokens)
        return self._accept(active, drawn, active)

    def _recall(self, entries: list[Entry]) -> None:
        """Finds out how much of each prompt is known: all but its last token, where a running response of
        these weights has the same, else what a finished one left."""
        begun = {tuple(ids): row for row, ids in self._rows.prompts_of_these_weights()}
        for entry in entries:
            identity = entry.request.identity
            row = begun.get(tuple(identity))
            if row is not None and entry.length > WORTH_KEEPING:
                entry.past, entry.source = entry.length - 1, row
            elif (found := self._prefixes.find(identity, WORTH_KEEPING)) is not None:
                entry.past, entry.source = found
            self.reused += entry.past + (len(entry.members) - 1) * entry.length

    def _prefill(self, group: list[Entry], slots: list[int]) -> list[Finished]:
        """Runs distinct prompts, copies their keys to all who share them, draws everyone's first token."""
        logits = self._batch.prefill(group)
        members = [(slots[member], at) for at, entry in enumerate(group) for member in entry.members]
        rows = [row for row, _ in members]
        copies = [(group[at].row, row) for row, at in members if row != group[at].row]
        if copies:
            longest = max(entry.length for entry in group)
            self._batch.copy([leader for leader, _ in copies], [row for _, row in copies], longest)
        self._batch.open(
            rows, [group[at].length for _, at in members], [group[at].shift for _, at in members]
        )
        if self._settings.deterministic:
            return [done for row in rows for done in self._first(logits, [row])]
        return self._first(logits[[at for _, at in members]], rows)

    def _first(self, logits: Tensor, rows: list[int]) -> list[Finished]:
        drawn = self._draw(logits, rows, self._rules_of(rows))
        self._batch.feed(rows, drawn.tokens)
        return self._accept(np.array(rows, np.int64), drawn, np.arange(len(rows)))

    def _rules_of(self, rows: slice | list[int]) -> Rules:
        table = self._rows
        asked = table.temperature[rows], table.top_k[rows], table.top_p[rows]
        return rules(*asked, self.model.device, uniform=self._settings.deterministic)

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
        self._stream(rows, ids, logprobs, {row for row, _ in finished})
        self._release([row for row, _ in finished])
        return [done for _, done in finished]

    def _stream(
        self, rows: NDArray[np.int64], ids: NDArray[np.int64], logprobs: NDArray[np.float32], ended: set[int]
    ) -> None:
        """Tells those who listen what was drawn for responses that go on."""
        for index in np.flatnonzero(self._rows.streams[rows]):
            request = self._rows.requests[rows[index]]
            if request is not None and request.on_token is not None and int(rows[index]) not in ended:
                request.on_token(int(ids[index]), float(logprobs[index]))

    def _ended(self, row: int, stopped: bool, full: bool, broken: bool) -> Finished | None:
        request = self._rows.requests[row]
        assert request is not None  # noqa: S101 - rows that draw have a request
        if broken:
            return Finished(request, Broken("the model computed a logprob that is not finite"))
        ids = self._rows.ids[row, : self._rows.drawn[row]].tolist()
        if stopped:
            return self._finish(row, request, ids, FinishReason.STOP_TOKEN, self._decode(ids[:-1]))
        if request.sampling.stop_strings:
            find = ends if request.sampling.stop_at_token_end else hit
            text = find(ids, request.sampling.stop_strings, self._decode)
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
        self._keep(row, request, ids)
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

    def _keep(self, row: int, request: Request, ids: list[int]) -> None:
        """Leaves what these weights computed to the conversation's next turn; the last token was only
        drawn. A response that fills the context has none."""
        known = [*request.identity, *ids[:-1]]
        fits = WORTH_KEEPING <= len(known) < self._settings.max_context - 1
        if fits and self._prefixes.budget >= len(known) and self._rows.of_these_weights[row]:
            self._prefixes.add(known, self._batch.snapshot(row, len(known)))

    def _release(self, rows: list[int]) -> None:
        if not rows:
            return
        for row in rows:
            self._rows.release(row)
        self._batch.close(rows)
        self._rules = None

    def _compact(self) -> NDArray[np.int64]:
        """Moves the last rows into the holes, so that the running rows are the first ones; returns them. In
        deterministic mode rows stay where they are."""
        active = self._rows.active()
        holes = [row for row in range(len(active)) if self._rows.requests[row] is None]
        if not holes or self._settings.deterministic:
            return np.array(active, np.int64)
        sources = active[-len(holes) :]
        self._batch.move(sources, holes, int(self._rows.length[sources].max()))
        self._rows.move(sources, holes)
        self._rules = None
        return np.arange(len(active))
