"""How waiting prompts enter the batch: identical prompts share one prefill, similar lengths one pass."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shared:
    """A distinct prompt, and the indices of all requests that begin with it."""

    ids: Sequence[int]
    members: list[int]


def share(prompts: Sequence[Sequence[int]]) -> list[Shared]:
    """Distinct prompts in order of their first appearance."""
    found: dict[tuple[int, ...], Shared] = {}
    for index, ids in enumerate(prompts):
        found.setdefault(tuple(ids), Shared(ids, [])).members.append(index)
    return list(found.values())


def passes(prompts: list[Shared], most_tokens: int, slack: int = 16) -> list[list[Shared]]:
    """Splits prompts into prefill passes of at most `most_tokens` padded tokens each (or one prompt), in
    which the shortest lacks at most a quarter of the longest, or `slack` tokens."""
    groups: list[list[Shared]] = []
    for prompt in sorted(prompts, key=lambda shared: len(shared.ids), reverse=True):
        if not groups or not _fits(groups[-1], prompt, most_tokens, slack):
            groups.append([])
        groups[-1].append(prompt)
    return groups


def _fits(group: list[Shared], prompt: Shared, most_tokens: int, slack: int) -> bool:
    longest = len(group[0].ids)
    missing = longest - len(prompt.ids)
    return (len(group) + 1) * longest <= most_tokens and missing <= max(slack, longest // 4)
