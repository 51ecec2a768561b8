import pytest

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_NOT_GRADED
from farfield.types.v1.types_pb2 import Image
from farfield_kernel.errors import DataLoss, InvalidArgument
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes
from farfield_trainer.learning.samples import answer_offset, gather

REVISION = (([1, 2], [3, 4], 0.0), ([1, 2, 3, 4, 5], [6], 1.0))


def test_turns_that_continue_are_one_sequence(make_episode) -> None:
    batch = gather([make_episode(*REVISION, logprobs=[[-0.5, -0.25], [-2.0]])])
    assert [sequence.ids for sequence in batch.sequences] == [[1, 2, 3, 4, 5, 6]]
    assert batch.sequences[0].logprobs == [0, 0, -0.5, -0.25, 0, -2.0]
    assert [(turn.start, turn.end, turn.reward) for turn in batch.turns] == [(2, 4, 0.0), (5, 6, 1.0)]


def test_a_fresh_context_starts_a_sequence(make_episode) -> None:
    batch = gather([make_episode(([1, 2], [3], 1.0), ([7, 8, 9], [4], 2.0))])
    assert [sequence.ids for sequence in batch.sequences] == [[1, 2, 3], [7, 8, 9, 4]]
    assert [(turn.sequence, turn.episode) for turn in batch.turns] == [(0, 0), (1, 0)]


def test_groups_are_numbered_and_lonely_episodes_are_their_own(make_episode) -> None:
    one = ([1], [2], 1.0)
    names = [("x", "a"), ("", "b"), ("x", "c"), ("", "d")]
    batch = gather([make_episode(one, group=group, name=name) for group, name in names])
    assert batch.groups == [0, 1, 0, 2]


def test_failed_episodes_are_counted_and_left_out(make_episode) -> None:
    failed = make_episode(([1], [2], 5.0))
    failed.failure = FAILURE_NOT_GRADED
    batch = gather([failed, make_episode(([1], [2], 1.0))])
    assert len(batch.turns) == 1
    assert batch.counts["episodes_failed"] == 1
    assert batch.counts["reward_mean"] == 1.0


def test_terms_of_the_reward_are_reported(make_episode) -> None:
    episodes = [make_episode(([1], [2], 1.0)), make_episode(([1], [2], 3.0)), make_episode(([1], [2], 9.0))]
    for episode, value in zip(episodes, (1.0, 3.0, 9.0), strict=True):
        episode.turns[0].verdict.terms["format/reward"] = value
    episodes[0].turns[0].verdict.terms["judge/score"] = 0.5
    episodes[2].failure = FAILURE_NOT_GRADED
    batch = gather(episodes)
    assert (batch.counts["term/format/reward"], batch.counts["term/judge/score"]) == (2.0, 0.5)


def test_what_leads_to_an_ungraded_turn_is_context_only(make_episode) -> None:
    turns = (([1], [2], 1.0), ([1, 2, 3], [4], None), ([1, 2, 3, 4, 5], [6], 2.0))
    batch = gather([make_episode(*turns)])
    assert [(turn.start, turn.end) for turn in batch.turns] == [(5, 6)]
    assert batch.sequences[0].ids == [1, 2, 3, 4, 5, 6]
    assert batch.counts["turns_masked"] == 2


def test_an_episode_that_ends_ungraded_trains_nothing(make_episode) -> None:
    batch = gather([make_episode(([1], [2], 1.0), ([1, 2, 3], [4], None))])
    assert batch.turns == []
    assert batch.sequences == []
    assert batch.groups == []


def test_an_empty_response_passes_its_reward_to_the_action_before(make_episode) -> None:
    batch = gather([make_episode(([1], [2], 1.0), ([1, 2, 3], [], -4.0))])
    assert [turn.reward for turn in batch.turns] == [-3.0]


def test_lengths_that_differ_are_data_loss(make_episode) -> None:
    with pytest.raises(DataLoss, match="2 response ids, but 1 logprobs"):
        gather([make_episode(([1], [2, 3], 1.0), logprobs=[[-1.0]])])


def test_a_broken_continuation_is_data_loss(make_episode) -> None:
    episode = make_episode(*REVISION)
    episode.turns[1].prompt_ids = ids_to_bytes([1, 9, 3, 4, 5])
    with pytest.raises(DataLoss, match="does not begin with the turn before"):
        gather([episode])


def test_a_turn_without_prompt_is_data_loss(make_episode) -> None:
    with pytest.raises(DataLoss, match="without prompt"):
        gather([make_episode(([], [2], 1.0))])


@pytest.mark.parametrize("torn", ["prompt_ids", "response_ids", "logprobs"])
def test_torn_bytes_are_data_loss(make_episode, torn: str) -> None:
    episode = make_episode(([1], [2], 1.0), name="e7")
    setattr(episode.turns[0], torn, b"five!")
    with pytest.raises(DataLoss, match="episode e7: 5 bytes"):
        gather([episode])


@pytest.mark.parametrize(("reward", "logprob"), [(float("nan"), -1.0), (1.0, float("-inf"))])
def test_what_is_not_finite_is_data_loss(make_episode, reward: float, logprob: float) -> None:
    with pytest.raises(DataLoss, match="not finite"):
        gather([make_episode(([1], [2], reward), logprobs=[[logprob]])])


def test_a_retokenized_turn_stands_alone_and_its_logprobs_are_unknown(make_episode) -> None:
    episode = make_episode(*REVISION)
    episode.turns[1].prompt_ids = ids_to_bytes([1, 9, 3, 4, 5])
    episode.turns[1].retokenized = True
    episode.turns[1].logprobs = floats_to_bytes([])
    batch = gather([episode])
    assert [turn.behaviour_known for turn in batch.turns] == [True, False]
    assert len(batch.sequences) == 2


def test_a_retokenized_turn_holds_all_images_of_its_prompt(make_episode) -> None:
    """Not only those that were new: its sequence begins with the whole conversation."""
    episode = make_episode(*REVISION)
    for turn, digests in zip(episode.turns, (["a"], ["a", "b"]), strict=True):
        turn.retokenized, turn.continues = True, False
        turn.messages.add(parts=[{"image": {"sha256": digests[-1]}}])
        turn.prompt_images.extend(Image(sha256=digest) for digest in digests)
    assert [sequence.images for sequence in gather([episode]).sequences] == [["a"], ["a", "b"]]


def test_greedy_episodes_cannot_be_trained_on(make_episode) -> None:
    with pytest.raises(InvalidArgument, match="greedily"):
        gather([make_episode(([1], [2], 1.0), temperature=0.0)])


def test_the_answer_begins_with_the_token_that_holds_the_last_key() -> None:
    pieces = {0: "I think ", 1: '{"for', 2: 'mula": 1', 3: ' "formula"', 4: ": 2}"}

    def decode(ids: list[int]) -> str:
        return "".join(pieces[index] for index in ids)

    assert answer_offset([0, 1, 2], '"formula"', decode) == 1
    assert answer_offset([0, 1, 2, 3, 4], '"formula"', decode) == 3
    assert answer_offset([0, 4], '"formula"', decode) == 2


def test_answers_are_marked_in_the_sequence(make_episode) -> None:
    batch = gather([make_episode(*REVISION)], answer_key="4", decode=lambda ids: "".join(map(str, ids)))
    assert [turn.answer for turn in batch.turns] == [3, 6]
