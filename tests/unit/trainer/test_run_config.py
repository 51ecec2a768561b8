import json

import pytest
from sample_runs import ENVIRONMENT, run_config, sft_config, suites

from farfield_kernel.errors import InvalidArgument
from farfield_trainer.run_config import run_config as parsed


def refused(**changes: object) -> str:
    values = json.loads(run_config().model_dump_json()) | changes
    with pytest.raises(InvalidArgument) as caught:
        parsed(json.dumps(values))
    return str(caught.value)


def test_json_and_back() -> None:
    config = run_config(evaluation={"suites": suites(ood=3), "every": 2})
    assert parsed(config.model_dump_json()) == config


def test_an_unknown_key_names_the_nearest() -> None:
    assert "did you mean 'updates'" in refused(update=3)
    assert "did you mean 'clip_low'" in refused(algorithm={"kind": "rl", "loss": {"clip_lo": 0.1}})
    assert "did you mean 'every'" in refused(checkpoint={"evry": 1})


def test_text_that_is_no_config() -> None:
    with pytest.raises(InvalidArgument, match="not JSON"):
        parsed("{")
    with pytest.raises(InvalidArgument, match="has to be an object"):
        parsed("[]")


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"batch": None}, "write batch:"),
        ({"reward": {}}, "write reward: {leaf:"),
        ({"sampling": None}, "write sampling:"),
        ({"sampling": {"max_new_tokens": 4, "temperature": 0}}, "sampling.temperature above 0"),
        ({"batch": {"groups": 2, "group_size": 1}}, "batch.group_size: 2 or more"),
        ({"deterministic": True, "max_staleness": 1}, "max_staleness: 0"),
        ({"algorithm": {"kind": "sft"}}, "write demonstrations:"),
        ({"reward": {"lef": {}}}, "not a RewardPlan"),
        ({"reward": {"weighted_sum": {"terms": [{"weight": "x"}]}}}, "not a RewardPlan"),
        ({"evaluation": {"suites": {"bad/name": {"environment": ENVIRONMENT, "episodes": 1}}}}, "pattern"),
    ],
)
def test_what_is_missing_says_what_to_write(changes: dict, cure: str) -> None:
    assert cure in refused(**changes)


def test_suites_need_sampling_and_reward() -> None:
    values = json.loads(sft_config(evaluation={"suites": suites(ood=3)}).model_dump_json())
    with pytest.raises(InvalidArgument, match=r"suite ood needs sampling.*suite ood needs a reward"):
        parsed(json.dumps(values | {"sampling": None, "reward": {}}))


def test_a_run_without_updates_only_evaluates() -> None:
    config = sft_config(updates=0, demonstrations=None, evaluation={"suites": suites(ood=3)})
    assert config.updates == 0


def test_deterministic_runs_recompute_behaviour() -> None:
    assert not run_config().algorithm.learner(False).deterministic
    settings = run_config().algorithm.learner(True)
    assert settings.deterministic
    assert settings.recompute_behaviour
    assert sft_config().algorithm.learner(True).deterministic
