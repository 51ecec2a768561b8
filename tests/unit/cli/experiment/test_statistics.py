"""Against independently written oracles, and coverage by simulation."""

import math

import mpmath
import numpy as np
import pytest

from farfield_cli.experiment.judging import statistics
from farfield_cli.experiment.judging.statistics import Sample, alone, difference, paired, unpaired
from farfield_cli.report.student import student_cdf, student_quantile


def won(outcomes: list[int]) -> np.ndarray:
    return np.array([[value, 1.0] for value in outcomes])


def played(generator: np.random.Generator, episodes: int, shares: tuple[float, float]) -> Sample:
    """Both sides on the same episodes, of which some are easy for both."""
    luck = generator.random(episodes)
    own = generator.random((2, episodes))
    first, second = ((luck + own[side] < 2 * math.sqrt(share / 2)) for side, share in enumerate(shares))
    return paired(won(first.astype(int).tolist()), won(second.astype(int).tolist()))


def student(t: float, degrees: int) -> float:
    """Its distribution function, by the incomplete beta function."""
    beyond = mpmath.betainc(degrees / 2, 0.5, 0, degrees / (degrees + t * t), regularized=True) / 2
    return float(beyond if t < 0 else 1 - beyond)


def student_975(degrees: int) -> float:
    """Where its distribution function is 0.975."""
    return float(mpmath.findroot(lambda t: student(t, degrees) - 0.975, (1.9, 13), solver="anderson"))


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 30])
def test_student_is_as_in_mpmath(degrees: int) -> None:
    for t in (-2.5, 0.0, 0.7, 4.0):
        assert student_cdf(t, degrees) == pytest.approx(student(t, degrees), abs=1e-12)
    assert student_quantile(0.975, degrees) == pytest.approx(student_975(degrees))


def test_the_estimate_is_the_mean_of_the_seeds_differences() -> None:
    seeds = [paired(won([1, 1, 0, 0]), won([1, 0, 0, 0])), paired(won([1, 1, 1, 1]), won([0, 0, 0, 0]))]
    found = difference(seeds)
    assert found.by_seed == (0.25, 1.0)
    assert found.estimate == pytest.approx(0.625)
    assert found.spread == pytest.approx(0.75 / math.sqrt(2))
    assert found.episodes == 8


def test_steps_are_weighed_by_their_number_and_drawn_by_episode() -> None:
    first, second = np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])
    assert difference([paired(first, second)]).estimate == pytest.approx(3 / 5 - 2 / 4)


def test_pairing_takes_out_what_both_have_in_common() -> None:
    hard_and_easy = [0] * 200 + [1] * 200
    one_better = [*hard_and_easy[:185], *[1] * 215]
    close = difference([paired(won(one_better), won(hard_and_easy))])
    loose = difference([unpaired(won(one_better), won(hard_and_easy))])
    assert close.estimate == loose.estimate == pytest.approx(15 / 400)
    assert close.low > 0 > loose.low
    assert close.stderr < loose.stderr / 3


def test_the_bootstrap_agrees_with_the_formula_for_pairs() -> None:
    """sd of the differences over sqrt(n), with two invented episodes."""
    (block,) = sample = played(np.random.default_rng(3), 400, (0.4, 0.2))
    differences = np.append(block[:, 0] - block[:, 2], [1.0, -1.0])
    expected = differences.std() / math.sqrt(len(differences))
    assert difference([sample]).stderr == pytest.approx(expected, rel=0.05)


def test_seeds_that_differ_widen_the_interval_to_students() -> None:
    seeds = [paired(won([1] * k + [0] * (100 - k)), won([0] * 100)) for k in (10, 50, 60)]
    found = difference(seeds)
    half = student_975(2) * np.std([0.1, 0.5, 0.6], ddof=1) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half))


def test_one_seed_says_nothing_of_the_spread() -> None:
    assert difference([paired(won([1, 0] * 50), won([0, 0] * 50))]).spread is None


def test_a_few_episodes_that_all_agree_do_not_make_it_certain() -> None:
    found = difference([paired(won([0] * 20), won([0] * 20))])
    assert found.low < 0 < found.high
    assert not found.exceeds(0.0)
    assert not found.stays_below(0.0)


def test_one_side_alone_differs_from_zero_by_its_value() -> None:
    found = difference([alone(won([1] * 30 + [0] * 70))])
    assert found.estimate == pytest.approx(0.3)
    assert found.low == pytest.approx(0.21, abs=0.02)
    assert found.high == pytest.approx(0.39, abs=0.02)


def test_the_same_data_give_the_same_interval() -> None:
    seeds = [played(np.random.default_rng(seed), 50, (0.4, 0.3)) for seed in (1, 2)]
    assert difference(seeds) == difference(seeds)


def test_how_much_more_would_tell() -> None:
    one = difference([played(np.random.default_rng(5), 100, (0.3, 0.27))])
    more = statistics.episodes_that_tell(one, 0.0)
    assert more is None or more > 100
    seeds = [paired(won([1] * k + [0] * 100), won([0] * (100 + k))) for k in (5, 30, 60)]
    found = difference(seeds)
    count = statistics.seeds_that_tell(found, 0.0)
    assert not found.exceeds(0.0)
    assert count is not None
    half = student_975(count - 1) * np.std(found.by_seed, ddof=1) / math.sqrt(count)
    assert half < found.estimate
    assert statistics.seeds_that_tell(found, found.estimate) is None


def truth(shares: tuple[float, float]) -> float:
    """P(luck + own < c) = c² / 2 of two uniform numbers, for c <= 1."""
    return shares[0] - shares[1]


@pytest.mark.parametrize(
    ("seeds", "spread", "least", "most"),
    [(1, 0.0, 0.90, 0.985), (3, 0.0, 0.95, 1.0), (3, 0.08, 0.91, 0.995)],
)
def test_intervals_cover_the_truth(seeds: int, spread: float, least: float, most: float) -> None:
    """In 95 of 100 experiments of 120 episodes a seed; more where seeds do not differ, which three of them
    cannot know. The bounds are three binomial errors of 240 experiments wide."""
    generator = np.random.default_rng(11)
    covered, repeats, shares = 0, 240, (0.35, 0.25)
    for _ in range(repeats):
        moved = [(shares[0] + generator.uniform(-1.7, 1.7) * spread, shares[1]) for _ in range(seeds)]
        found = difference([played(generator, 120, one) for one in moved], draws=400)
        covered += found.low <= truth(shares) <= found.high
    assert least <= covered / repeats <= most
