import pytest

from farfield_cli.demo.verdict import Answer, Status, control_line, verdict
from farfield_cli.report.points import Point, binomial, pooled


def results(n: int = 2000, **changed: tuple[float, float]) -> dict[str, dict[str, Point]]:
    """The measured feasibility numbers, with some branches changed: (ID, OOD)."""
    shares = {
        "init": (0.647, 0.197),
        "sft": (0.732, 0.074),
        "sft_matched": (0.70, 0.20),
        "rl": (0.867, 0.280),
    }
    return {
        branch: {"id": binomial(id_share, n), "ood": binomial(ood_share, n)}
        for branch, (id_share, ood_share) in (shares | changed).items()
    }


def answers(found: dict[str, dict[str, Point]]) -> dict[str, Answer]:
    return {one.name: one.answer for one in verdict(found, sound=True).conditions}


def test_the_headline_is_supported_by_numbers_that_support_it() -> None:
    found = verdict(results(), sound=True)
    assert found.status is Status.SUPPORTED
    assert [one.answer for one in found.conditions] == [Answer.YES] * 4
    assert found.line.startswith("Supported at this scale")


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"sft": (0.73, 0.19)}, "sft_forgets_ood"),
        ({"rl": (0.66, 0.28)}, "rl_raises_id"),
        ({"rl": (0.867, 0.10)}, "rl_raises_ood"),
        ({"rl": (0.867, 0.08)}, "rl_above_sft_ood"),
    ],
)
def test_each_condition_can_fail(changed: dict[str, tuple[float, float]], name: str) -> None:
    found = results(**changed)
    assert answers(found)[name] is Answer.NO
    assert verdict(found, sound=True).status is Status.NOT_SUPPORTED


def test_a_rise_within_noise_is_open() -> None:
    found = results(rl=(0.867, 0.215))
    assert answers(found)["rl_raises_ood"] is Answer.OPEN
    decided = verdict(found, sound=True)
    assert decided.status is Status.NOT_ENOUGH
    assert "RL raises success on the unseen rule" in decided.line


def test_a_near_miss_of_a_threshold_is_open_not_met() -> None:
    """OOD of SFT 10.2 where half of init is 9.85: a fall by almost half, within two standard errors of it."""
    assert answers(results(sft=(0.73, 0.102)))["sft_forgets_ood"] is Answer.OPEN


def test_the_same_shares_of_few_episodes_claim_nothing() -> None:
    found = verdict(results(n=100), sound=True)
    assert found.status is Status.NOT_ENOUGH
    assert "100 episodes per point" in found.line


def test_runs_that_lost_episodes_claim_nothing() -> None:
    found = verdict(results(), sound=False)
    assert found.status is Status.NOT_ENOUGH
    assert "exactly once" in found.line


def seeds(*shares: float) -> Point:
    return pooled([binomial(share, 2000) for share in shares])


@pytest.mark.parametrize(
    ("rl", "answer"),
    [
        ((0.25, 0.34), Answer.OPEN),
        ((0.25, 0.295, 0.34), Answer.OPEN),
        ((0.285, 0.295, 0.305), Answer.YES),
        ((0.27, 0.28, 0.29, 0.295, 0.30, 0.335), Answer.YES),
    ],
)
def test_few_seeds_that_differ_are_no_certainty(rl: tuple[float, ...], answer: Answer) -> None:
    """Each rises by ten points, by two standard errors or more; of two seeds t is 12.7, of three 4.3."""
    found = results()
    found["init"]["ood"] = seeds(*[0.197] * len(rl))
    found["rl"]["ood"] = seeds(*rl)
    rises = next(one for one in verdict(found, sound=True).conditions if one.name == "rl_raises_ood")
    assert rises.effect > 2 * rises.effect_stderr
    assert rises.answer is answer


def test_seeds_that_agree_have_the_noise_of_their_episodes() -> None:
    found = results(rl=(0.867, 0.215))
    alone = verdict(found, sound=True).conditions[2]
    found["rl"]["ood"] = seeds(0.215, 0.215)
    found["init"]["ood"] = seeds(0.197, 0.197)
    together = verdict(found, sound=True).conditions[2]
    assert alone.effect_noise == pytest.approx(2 * alone.effect_stderr)
    assert together.effect_noise == pytest.approx(2 * together.effect_stderr)


def test_the_control_that_keeps_the_rule_is_said_to() -> None:
    assert "does not measurably change" in control_line(results())
    assert "size and number of its steps" in control_line(results())


def test_the_control_that_forgets_as_much_is_said_to() -> None:
    line = control_line(results(sft_matched=(0.7, 0.075)))
    assert "loses success" in line
    assert "size and number" not in line
