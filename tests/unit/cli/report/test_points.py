import pytest

from farfield_cli.report.points import CurvePoint, Point, binomial, pooled, pooled_curve, shown


def test_error_of_a_share() -> None:
    assert binomial(0.2, 400).stderr == pytest.approx(0.02)
    assert binomial(0.0, 0) == Point(0.0, 0, 0.0)


def test_one_seed_is_itself() -> None:
    point = binomial(0.3, 500)
    assert pooled([point]) == point


def test_seeds_that_differ_widen_the_error_beyond_that_of_the_episodes() -> None:
    together = pooled([binomial(0.2, 500), binomial(0.3, 500), binomial(0.4, 500)])
    assert together.success == pytest.approx(0.3)
    assert together.n == 1500
    assert together.spread == pytest.approx(0.1)
    assert together.stderr == pytest.approx(0.1 / 3**0.5)


def test_seeds_that_agree_by_luck_keep_the_error_of_the_episodes() -> None:
    together = pooled([binomial(0.3, 500)] * 3)
    assert together.spread == pytest.approx(0.0)
    assert together.stderr == pytest.approx((0.3 * 0.7 / 1500) ** 0.5)


def test_a_curve_over_seeds_has_the_updates_that_all_have() -> None:
    long = [CurvePoint(update, update * 10.0, binomial(0.2, 100)) for update in (0, 5, 10)]
    short = [CurvePoint(update, update * 20.0, binomial(0.4, 100)) for update in (0, 5)]
    curve = pooled_curve([long, short])
    assert [(point.update, point.compute) for point in curve] == [(0, 0.0), (5, 75.0)]
    assert [point.point.success for point in curve] == pytest.approx([0.3, 0.3])


def test_how_a_point_is_written() -> None:
    assert shown(binomial(0.221, 1000)) == "22.1 ± 1.3"
