from collections.abc import Sequence

from farfield_policy.embedded.admission import Entry, passes, share
from farfield_policy.embedded.rows import Request
from farfield_policy.engine import Sampling


def request(ids: Sequence[int]) -> Request:
    return Request(ids, Sampling(1))


def test_identical_prompts_are_found_in_order() -> None:
    entries = share(list(map(request, [[1, 2], [3], [1, 2], [3], [4]])))
    assert [(entry.request.prompt_ids, entry.members) for entry in entries] == [
        ([1, 2], [0, 2]),
        ([3], [1, 3]),
        ([4], [4]),
    ]


def prompts(*lengths: int) -> list[Entry]:
    return [Entry(request(range(length)), [at]) for at, length in enumerate(lengths)]


def sizes(groups: list[list[Entry]]) -> list[list[int]]:
    return [[prompt.left for prompt in group] for group in groups]


def test_similar_lengths_share_a_pass() -> None:
    assert sizes(passes(prompts(100, 20, 90, 21, 70), 10_000)) == [[100, 90], [70], [21, 20]]


def test_a_pass_holds_so_many_padded_tokens() -> None:
    assert sizes(passes(prompts(10, 10, 9, 10, 10), 30)) == [[10, 10, 10], [10, 9]]


def test_a_prompt_longer_than_a_pass_runs_alone() -> None:
    assert sizes(passes(prompts(50, 50, 3), 20)) == [[50], [50], [3]]


def test_prompts_with_a_past_run_apart_and_only_what_is_new() -> None:
    entries = [
        Entry(request(range(30)), [0]),
        Entry(request(range(40)), [1], past=12),
        Entry(request(range(50)), [2], past=20),
    ]
    groups = passes(entries, 1000)
    assert [[entry.members[0] for entry in group] for group in groups] == [[2, 1], [0]]
    assert list(groups[0][1].chunk.ids) == list(range(12, 40))
