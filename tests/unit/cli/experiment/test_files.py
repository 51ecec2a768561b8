"""What an experiment's file says, at each scale, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield_cli.experiment.definition.configs import config
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.definition.files import read
from farfield_cli.experiment.definition.spec import Fresh
from farfield_kernel.errors import InvalidArgument, NotFound

FILE: dict[str, Any] = {
    "title": "A game",
    "question": "Who wins?",
    "suites": {
        "id": {"label": "seen", "shift": "id", "episodes": 10, "environment": {"name": "game"}},
        "ood": {"label": "unseen", "shift": "rule", "episodes": 20, "environment": {"name": "game"}},
    },
    "common": {"base": "model", "environment": {"name": "game"}, "evaluation": {"at_start": False}},
    "arms": {
        "base": {"label": "base", "algorithm": {"kind": "rl"}, "evaluation": {"at_start": True}},
        "sft": {"label": "SFT", "algorithm": {"kind": "sft"}, "updates": 9},
        "rl": {"label": "RL", "algorithm": {"kind": "rl"}, "updates": 4, "from": {"arm": "sft", "update": 3}},
    },
    "claims": [
        {
            "name": "better",
            "text": "RL is better",
            "compare": {"arm": "rl", "suite": "ood"},
            "with": {"arm": "sft", "suite": "ood"},
            "no_control": "A game.",
        }
    ],
    "seeds": [0, 1],
    "scales": {
        "tiny": {},
        "large": {
            "common": {"base": "/runs/base/large"},
            "suites": {"id": {"episodes": 99}},
            "arms": {"sft": {"updates": 90}, "rl": None},
            "seeds": [5],
        },
    },
}
Written = Callable[..., Experiment]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """The file with changes at dotted keys, read; a change to None takes a key away."""

    def write(changes: dict[str, Any] | None = None, scale: str = "tiny") -> Experiment:
        data = yaml.safe_load(yaml.safe_dump(FILE, sort_keys=False))
        for key, value in (changes or {}).items():
            *path, last = key.split(".")
            at = data
            for part in path:
                at = at[int(part)] if isinstance(at, list) else at[part]
            at[last] = value
        (tmp_path / "game.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
        return read(tmp_path / "game.yaml", scale)

    return write


def test_a_run_config_is_common_then_the_arm_with_the_suites_and_one_seed(
    written: Written, tmp_path: Path
) -> None:
    found = written()
    assert config(found, "sft", 1) == {
        "base": str(tmp_path / "model"),
        "environment": {"name": "game"},
        "algorithm": {"kind": "sft"},
        "updates": 9,
        "seed": 1,
        "evaluation": {
            "at_start": False,
            "suites": {
                "id": {"environment": {"name": "game"}, "episodes": 10, "seed": 1},
                "ood": {"environment": {"name": "game"}, "episodes": 20, "seed": 1},
            },
        },
        "keep_versions": [3],
    }


def test_a_scale_lies_over_all_of_it(written: Written) -> None:
    found = written(scale="large")
    assert list(found.arms) == ["base", "sft"]
    assert found.seeds == (5,)
    assert found.claims == ()
    filled = config(found, "sft", 5)
    assert (filled["base"], filled["updates"]) == ("/runs/base/large", 90)
    assert filled["evaluation"]["suites"]["id"]["episodes"] == 99
    assert "keep_versions" not in filled


def test_a_scale_may_lie_over_another(written: Written) -> None:
    larger = {"over": "large", "suites": {"ood": None}, "arms": {"sft": {"updates": 900}}}
    found = written({"scales.larger": larger}, "larger")
    filled = config(found, "sft", 5)
    assert (filled["base"], filled["updates"]) == ("/runs/base/large", 900)
    assert list(found.suites) == ["id"]
    with pytest.raises(InvalidArgument, match="did you mean 'large'"):
        written({"scales.larger": larger | {"over": "lage"}}, "larger")


def test_a_sweep_is_an_arm_for_each_value(written: Written) -> None:
    sweep = {"from.update": [3, 6], "algorithm.rate": [1e-3]}
    found = written({"arms.rl.sweep": sweep, "claims.0.compare.arm": "rl-2"})
    assert len(found.claims) == 1
    assert list(found.arms) == ["base", "sft", "rl-1", "rl-2"]
    assert found.arms["rl-2"].label == "RL, update 6, rate 0.001"
    assert config(found, "rl-2", 0)["algorithm"] == {"kind": "rl", "rate": 1e-3}
    assert config(found, "sft", 0)["keep_versions"] == [3, 6]


def test_where_an_arm_starts_is_known(written: Written) -> None:
    found = written()
    assert [found.start_of(arm) for arm in found.arms] == [("base", 0), ("base", 0), ("sft", 3)]
    last = written({"arms.rl.from": {"arm": "sft"}})
    assert last.start_of("rl") == ("sft", 9)
    fresh = written({"arms.sft.base": {"fresh": "model"}})
    assert fresh.arms["sft"].base == Fresh(fresh=str(Path(config(found, "base", 0)["base"])))
    assert fresh.start_of("sft") is None


def test_an_arm_may_be_measured_on_some_suites(written: Written) -> None:
    found = written({"arms.sft.suites": ["ood"]})
    assert list(config(found, "sft", 0)["evaluation"]["suites"]) == ["ood"]


def test_seeds_and_arms_can_be_chosen(written: Written) -> None:
    found = written()
    assert found.with_seeds(1).seeds == (0,)
    assert found.with_seeds(4).seeds == (0, 1, 2, 3)
    chosen = found.with_arms(["rl"])
    assert list(chosen.arms) == ["sft", "rl"]
    assert len(chosen.claims) == 1
    assert found.with_arms(["base"]).claims == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"titel": "x"}, "titel: unknown key; did you mean 'title'"),
        ({"suites.id.shift": "rules"}, "suite id.*shift: Input should be 'id', 'rule'"),
        ({"suites.id.episode": 5}, "suite id.*episode: unknown key; did you mean 'episodes'"),
        ({"claims.0.compare": {"arm": "lr", "suite": "ood"}}, "claim better: 'lr' is not an arm .*rl, sft"),
        ({"claims.0.compare": {"arm": "rl", "suite": "odd"}}, "'odd' is not a suite .*'ood'"),
        (
            {"claims.0.compare": {"arm": "rl", "suite": "ood", "metric": "sucess"}},
            "no metric 'sucess': choose success",
        ),
        (
            {"paper": {"source": "x", "metric": "metric/return"}},
            "paper.metric: .*metric/return is no share",
        ),
        ({"claims.0.no_control": ""}, "write control: or no_control:"),
        ({"arms.rl.from": {"arm": "stf"}}, "arm rl: 'stf' is not an arm .*'sft'"),
        ({"arms.rl.from": {"arm": "sft", "update": 10}}, "update 10 of 'sft', which has 9 updates"),
        ({"arms.sft.from": {"arm": "rl"}}, "circle: sft ← rl ← sft"),
        ({"arms.sft.suites": ["idd"]}, "arm sft: 'idd' is not a suite .*'id'"),
        ({"arms.sft.base": ""}, None),
        (
            {"arms.rl.sweep": {"algorithm.rate": [1, 2]}},
            "claim better: arm 'rl' is a sweep; name one of rl-1, rl-2",
        ),
        (
            {"arms.sft-1": {"label": "one"}, "arms.sft.sweep": {"updates": [9]}},
            "arm sft-1: there are two arms 'sft-1'",
        ),
        ({"arms.sft.sweep": {"updates": 5}}, "lists of values: write sweep: {updates"),
        ({"arms": ["sft"]}, "arms: Input should be a valid dictionary"),
        ({"arms.sft": "SFT"}, "arms.sft: Input should be a valid dictionary"),
        ({"scales": ["large"]}, "scales: Input should be a valid dictionary"),
        ({"scales.tiny": {"arms": ["sft"]}}, "scales.tiny.arms: Input should be a valid dictionary"),
        ({"arms.sft.algorithm": "grpo"}, "arm sft.*algorithm: Input should be a valid dictionary"),
        ({"arms.sft.algorithm": None}, "arm sft.*algorithm: Input should be a valid dictionary"),
        ({"arms.sft.updates": "abc"}, "arm sft.*updates: Input should be a valid integer"),
        ({"arms.sft.evaluation": None}, "arm sft.*evaluation: Input should be a valid dictionary"),
        (
            {"arms.sft.evaluation": {"every": "x"}},
            "arm sft.*evaluation.every: Input should be a valid integer",
        ),
        ({"arms.sft.keep_versions": 3}, "arm sft.*keep_versions: Input should be"),
        ({"arms.sft.environment": "game"}, "arm sft.*environment: Input should be a valid dictionary"),
        ({"arms.sft.base": {"fresh": "model", "x": 1}}, "arm sft.*base.x: unknown key; known keys: fresh"),
        ({"arms.sft.base": ["model"]}, "arm sft.*base: Input should be a valid string"),
        ({"arms.sft.sweep": {3: [1]}}, "sweep maps dotted keys to lists"),
        ({"extends": ["other.yaml"]}, r"game.yaml: extends: \['other.yaml'\] is no file's name"),
        ({"extends": "game.yaml"}, "game.yaml: extends: game.yaml leads in a circle"),
        (
            {"scales.tiny.over": "a", "scales.a": {"over": "b"}, "scales.b": {"over": "a"}},
            "scale tiny: 'over' leads in a circle: tiny → a → b → a",
        ),
        ({"seeds": [0, 1, 0]}, r"seeds: .*each once: write \[0, 1\]"),
        ({"seeds": [-1]}, r"seeds.0: .*greater than or equal to 0"),
        ({"scales.large.seeds": [5, 5]}, r"scales.large.seeds: .*each once: write \[5\]"),
        ({"scales.large.seeds": [5, -5]}, r"scales.large.seeds.1: .*greater than or equal to 0"),
        ({"scales.tiny": {"arm": {}}}, "scales.tiny.arm: unknown key; did you mean 'arms'"),
    ],
)
def test_a_mistake_is_named_with_its_cure(
    written: Written, changes: dict[str, Any], says: str | None
) -> None:
    if says is None:
        changes, says = (
            {"common": {"environment": {"name": "game"}}},
            "nothing to start from: write base: FOLDER",
        )
    with pytest.raises(InvalidArgument, match=f"(?s){says}"):
        written(changes)


def test_an_unknown_scale_names_those_that_there_are(written: Written) -> None:
    with pytest.raises(NotFound, match="no scale 'huge'; it has tiny, large"):
        written(scale="huge")


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "game.yaml"
    path.write_bytes("title: Würfel".encode("latin-1"))
    with pytest.raises(InvalidArgument, match=r"game\.yaml is not text in UTF-8"):
        read(path)
