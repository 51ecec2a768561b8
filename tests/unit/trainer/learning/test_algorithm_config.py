import pytest

from farfield_kernel.config import Config, parse
from farfield_kernel.errors import InvalidArgument
from farfield_trainer.learning.algorithm_config import LearnerConfig


def test_a_typo_names_the_right_key() -> None:
    with pytest.raises(InvalidArgument, match="clip_low"):
        parse(LearnerConfig, {"loss": {"clip_lov": 0.1}}, "run config")


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": {"dual_clip": 0.5}},
        {"optimizer": {"schedule": "cosine"}},
        {"optimizer": {"learning_rate": 0}},
        {"advantage": {"estimator": "sarsa"}},
        {"kl": {"reference": "beside/this/file"}},
    ],
)
def test_refuses_what_cannot_work(wrong: dict) -> None:
    with pytest.raises(InvalidArgument):
        parse(LearnerConfig, wrong, "run config")


def test_k1_belongs_to_the_reward() -> None:
    with pytest.raises(InvalidArgument, match="no gradient in the loss: take k2 or k3"):
        parse(LearnerConfig, {"kl": {"estimator": "k1"}}, "run config")
    parse(LearnerConfig, {"kl": {"estimator": "k1", "placement": "reward"}}, "run config")


def test_every_field_is_documented() -> None:
    pending = [LearnerConfig]
    while pending:
        model = pending.pop()
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Config):
                pending.append(field.annotation)
                assert field.annotation.__doc__, name
            else:
                assert field.description, name
