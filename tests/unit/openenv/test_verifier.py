from typing import Any

import pytest

from farfield_openenv.adapter.verifier import OpenEnvVerifier
from farfield_sdk import Attempt, Verdict


def verify(facts: dict[str, Any], success: bool = False, **options: Any) -> Verdict:
    verifier = OpenEnvVerifier(OpenEnvVerifier.Options(**options))
    return verifier.verify(Attempt("x", {"malformed": False, **facts}, success=success))


def test_the_environments_reward_is_passed_on() -> None:
    assert verify({"reward": 0.25}) == Verdict(0.25, correct=False)
    assert verify({"reward": 1.0}, success=True) == Verdict(1.0, correct=True)


def test_a_reward_is_never_made_up() -> None:
    with pytest.raises(ValueError, match="set the verifier's option 'absent'"):
        verify({"reward": None})
    assert verify({"reward": None}, absent=0).reward == 0


def test_no_action_never_earns() -> None:
    assert verify({"reward": None, "malformed": True}, malformed=-1) == Verdict(-1, False, parseable=False)
    with pytest.raises(ValueError, match="less than or equal to 0"):
        OpenEnvVerifier.Options(malformed=0.5)
