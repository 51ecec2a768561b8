"""Each way to break the contract is found by the check that is meant for it; what keeps it passes all."""

import pytest
import sample_games as games
from sample_services import Broken, Pair, broken_services, result, sample

from farfield_conformance.catalog import checks
from farfield_conformance.run import Status

GAMES = [
    (games.Untold, "static/describes-itself"),
    (games.BadDefault, "static/options-have-a-schema"),
    (games.Needy, "static/an-episode-starts"),
    (games.BadDefault, "static/defaults-start"),
    (games.LooseOptions, "static/unknown-options-are-refused"),
    (games.LooseOptions, "static/class-loads"),
    (games.BadVariant, "static/every-variant-starts"),
    (games.Speechless, "static/starts-are-conversations"),
    (games.UnicodeCrash, "api/any-response-is-an-outcome"),
    (games.NoiseWins, "api/noise-does-not-win"),
    (games.Poisoned, "api/an-episode-survives-noise"),
    (games.Overheard, "wire/a-batch-equals-single-steps"),
    (games.Shared, "wire/sessions-are-isolated"),
    (games.Counted, "wire/sessions-are-restored"),
    (games.Random, "semantics/episodes-repeat"),
    (games.Counted, "semantics/episodes-repeat"),
    (games.OneStart, "semantics/seeds-differ"),
    (games.WrongOracle, "semantics/the-oracle-wins"),
    (games.Leaky, "semantics/the-answer-is-not-shown"),
    (games.Forgetful, "semantics/the-answer-is-not-shown"),
    (games.Tagged, "semantics/the-answer-is-not-shown"),
    (games.WrongExpert, "semantics/demonstrations-win"),
    (games.Hoarder, "load/memory-stays-flat"),
    (games.Fragile, "load/many-sessions-play"),
]
VERIFIERS = [
    (games.UntoldVerifier, "verifier/static/describes-itself"),
    (games.LooseVerifier, "verifier/static/options-have-a-schema"),
    (games.LooseVerifier, "verifier/static/unknown-options-are-refused"),
    (games.LooseVerifier, "verifier/static/class-loads"),
    (games.Generous, "verifier/api/malformed-responses-earn-nothing"),
    (games.Talkative, "environment/semantics/noise-earns-less-than-the-oracle"),
    (games.Talkative, "environment/semantics/the-oracle-earns-most"),
    (games.Opposed, "environment/semantics/the-oracle-earns-most"),
    (games.Opposed, "verifier/semantics/right-responses-pass"),
    (games.Credulous, "verifier/api/any-response-is-judged"),
    (games.Stumbling, "verifier/api/any-response-is-judged"),
    (games.Lenient, "verifier/wire/facts-that-are-missing-are-an-error"),
    (games.Moody, "verifier/wire/results-keep-their-order"),
    (games.Moody, "verifier/semantics/verdicts-repeat"),
    (games.Telling, "verifier/semantics/feedback-keeps-the-answer"),
    (games.Correcting, "verifier/semantics/feedback-keeps-the-answer"),
    (games.FirstServed, "verifier/wire/groups-are-judged-whole"),
    (games.Telling, "environment/semantics/the-answer-is-not-shown"),
    (games.Correcting, "environment/semantics/the-answer-is-not-shown"),
]


def expect_failed(pair: Pair, check: str) -> None:
    found = result(pair, check)
    assert found.status is Status.FAILED, found
    assert found.said


@pytest.fixture(scope="module")
def good() -> Pair:
    with sample(games.Coloured) as pair:
        yield pair


GROUPS = "verifier/wire/groups-are-judged-whole"
ALL = [check.id for kind in ("environment", "verifier") for check in checks(kind)]


@pytest.mark.parametrize("name", [name for name in ALL if name != GROUPS])
def test_what_keeps_its_contract_passes(good: Pair, name: str) -> None:
    found = result(good, name)
    assert found.status is Status.PASSED, found


def test_a_verifier_that_compares_groups_passes() -> None:
    with sample(verifier=games.Relative) as pair:
        names = [GROUPS, *(check.id for check in checks("verifier") if "api" in check.id)]
        assert [result(pair, name).status for name in names] == [Status.PASSED] * len(names)
        earning = result(pair, "environment/semantics/the-oracle-earns-most")
        assert earning.status is Status.SKIPPED


@pytest.mark.parametrize("level", ["api", "wire", "semantics"])
def test_an_environment_of_many_sessions_passes(level: str) -> None:
    with sample(games.Tables) as pair:
        results = [result(pair, check.id) for check in checks("environment") if check.level == level]
    assert [one for one in results if one.status is Status.FAILED] == []


def test_a_hang_is_an_error_at_the_deadline() -> None:
    with sample(verifier=games.Hanging) as pair:
        found = result(pair, "verifier/api/any-response-is-judged")
        assert "a megabyte of words (DEADLINE_EXCEEDED: verifier 'sums' failed" in found.said


def test_where_no_episode_starts_one_check_says_so() -> None:
    with sample(games.Needy) as pair:
        results = [result(pair, name) for name in ALL]
        failed = [one.check.name for one in results if one.status is Status.FAILED]
        assert failed == ["an-episode-starts"]
        pair.environment.options = {"place": "here"}
        assert result(pair, "environment/static/defaults-start").status is Status.PASSED


@pytest.mark.parametrize(("game", "check"), GAMES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_environment_is_found(game: type, check: str) -> None:
    with sample(game) as pair:
        expect_failed(pair, f"environment/{check}")


@pytest.mark.parametrize(("verifier", "check"), VERIFIERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_verifier_is_found(verifier: type, check: str) -> None:
    with sample(verifier=verifier) as pair:
        expect_failed(pair, check)


@pytest.mark.parametrize(
    ("wrap", "check"), broken_services(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_service_is_found(wrap: type[Broken], check: str) -> None:
    with sample(games.Coloured, wrap=wrap) as pair:
        expect_failed(pair, check)


def test_every_check_can_fail() -> None:
    """Each is named by a sample above, but for those that `test_command.py` sees fail in real processes."""
    seen = {f"environment/{name}" for _, name in GAMES} | {
        name for _, name in [*VERIFIERS, *broken_services()]
    }
    elsewhere = {
        "environment/static/is-hosted",
        "verifier/static/is-hosted",
        "environment/semantics/two-processes-play-the-same",
    }
    assert set(ALL) - seen - elsewhere == set()
