"""How waiting prompts enter the batch: identical prompts share one prefill, what is known of a prompt is not
computed again, and similar lengths run in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from farfield_policy.embedded.kv_cache import Snapshot
from farfield_policy.embedded.model import Chunk
from farfield_policy.embedded.rows import Request


@dataclass(slots=True)
class Entry:
    """A distinct prompt on its way into the batch."""

    request: Request
    members: list[int]
    """Indices of all requests that begin with it."""
    row: int = 0
    """Where it is prefilled; the other members get copies."""
    past: int = 0
    """Tokens whose keys and values are known."""
    source: int | Snapshot | None = field(default=None, repr=False)
    """Where they are known from: a running row, or what a finished one left."""

    @property
    def length(self) -> int:
        """Tokens of the whole prompt."""
        return len(self.request.prompt_ids)

    @property
    def left(self) -> int:
        """Tokens that have to be computed."""
        return self.length - self.past

    @property
    def shift(self) -> int:
        """How much further than its place the response's first token counts."""
        return self.request.sight.shift() if self.request.sight else 0

    @property
    def chunk(self) -> Chunk:
        """What has to be computed."""
        return Chunk(self.request.prompt_ids, self.past, self.request.sight)


def share(requests: Sequence[Request]) -> list[Entry]:
    """Distinct prompts in order of their first appearance."""
    found: dict[tuple[int, ...], Entry] = {}
    for index, request in enumerate(requests):
        found.setdefault(tuple(request.identity), Entry(request, [])).members.append(index)
    return list(found.values())


def passes(entries: list[Entry], most_tokens: int, slack: int = 16) -> list[list[Entry]]:
    """Splits prompts into prefill passes of at most `most_tokens` padded tokens each (or one prompt), in
    which the shortest lacks at most a quarter of the longest, or `slack` tokens. Prompts with and without a
    past run apart."""
    groups: list[list[Entry]] = []
    for entry in sorted(entries, key=lambda one: (one.past > 0, one.left), reverse=True):
        if not groups or not _fits(groups[-1], entry, most_tokens, slack):
            groups.append([])
        groups[-1].append(entry)
    return groups


def _fits(group: list[Entry], entry: Entry, most_tokens: int, slack: int) -> bool:
    longest = group[0].left
    missing = longest - entry.left
    alike = (group[0].past > 0) == (entry.past > 0) and missing <= max(slack, longest // 4)
    return alike and (len(group) + 1) * longest <= most_tokens
