import math
import random
import statistics

import pytest

from farfield_kernel.estimates import NOTHING, Estimate, clustered, difference, mean, share


def test_a_share_has_the_binomial_error() -> None:
    assert share([True, True, True, False]) == Estimate(0.75, math.sqrt(0.75 * 0.25 / 4), 4)


def test_a_mean_has_the_error_of_its_spread() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    estimate = mean(values)
    assert estimate.value == 4.0
    assert estimate.stderr == pytest.approx(statistics.stdev(values) / 2)


@pytest.mark.parametrize("estimate", [share, mean, clustered])
def test_nothing_is_no_estimate(estimate) -> None:
    assert estimate([]) == NOTHING


def test_empty_clusters_count_for_nothing() -> None:
    assert clustered([(0, 0), (1, 2), (2, 2)]) == clustered([(1, 2), (2, 2)])


def test_items_that_are_all_alike_in_a_cluster_tell_no_more_than_one() -> None:
    singles = [(float(index % 2), 1) for index in range(20)]
    tens = [(10 * total, 10) for total, _ in singles]
    assert clustered(tens).stderr == pytest.approx(clustered(singles).stderr)
    assert clustered(tens).n == 20


def test_the_clustered_error_is_the_spread_of_the_estimate() -> None:
    """Episodes whose turns hang together, played again and again: the mean's spread is what is said of it."""
    rng = random.Random(1)

    def played() -> Estimate:
        clusters = []
        for _ in range(200):
            size, p = rng.randint(1, 5), rng.random()
            clusters.append((float(sum(rng.random() < p for _ in range(size))), size))
        return clustered(clusters)

    estimates = [played() for _ in range(400)]
    spread = statistics.stdev(one.value for one in estimates)
    told = statistics.mean(one.stderr for one in estimates)
    assert told == pytest.approx(spread, rel=0.12)
    naive = math.sqrt(0.25 / 600)
    assert told > 1.15 * naive


def test_errors_of_a_difference_add_in_squares() -> None:
    gap = difference(Estimate(0.6, 0.03, 100), Estimate(0.2, 0.04, 80))
    assert gap.value == pytest.approx(0.4)
    assert gap.stderr == pytest.approx(0.05)
