from farfield_policy.admission import Shared, passes, share


def test_identical_prompts_are_found_in_order() -> None:
    assert share([[1, 2], [3], [1, 2], [3], [4]]) == [
        Shared([1, 2], [0, 2]),
        Shared([3], [1, 3]),
        Shared([4], [4]),
    ]


def prompts(*lengths: int) -> list[Shared]:
    return [Shared(range(length), [at]) for at, length in enumerate(lengths)]


def sizes(groups: list[list[Shared]]) -> list[list[int]]:
    return [[len(prompt.ids) for prompt in group] for group in groups]


def test_similar_lengths_share_a_pass() -> None:
    assert sizes(passes(prompts(100, 20, 90, 21, 70), 10_000)) == [[100, 90], [70], [21, 20]]


def test_a_pass_holds_so_many_padded_tokens() -> None:
    assert sizes(passes(prompts(10, 10, 9, 10, 10), 30)) == [[10, 10, 10], [10, 9]]


def test_a_prompt_longer_than_a_pass_runs_alone() -> None:
    assert sizes(passes(prompts(50, 50, 3), 20)) == [[50], [50], [3]]
