"""What a demo finds in its folder, and what it does with it."""

import dataclasses
import json
from pathlib import Path

import pytest

from farfield_cli.demo.demo import Demo, DemoOptions
from farfield_cli.stack import record
from farfield_kernel.errors import FailedPrecondition

RECIPE = Path(__file__).parents[4] / "examples" / "demo"


@pytest.fixture
def options(tmp_path: Path) -> DemoOptions:
    return DemoOptions(out=tmp_path / "demo", recipe=RECIPE, quick=True)


def prepared(options: DemoOptions) -> Demo:
    demo = Demo(options)
    demo.prepare()
    return demo


def test_the_same_demo_again_goes_on(options: DemoOptions) -> None:
    first = prepared(options)
    assert not first.resumed
    first.spent.seconds = 12.0
    first._save()
    again = prepared(options)
    assert again.resumed
    assert again.spent.seconds == 12.0


def test_more_seeds_go_on_other_sizes_do_not(options: DemoOptions) -> None:
    prepared(options)
    assert prepared(dataclasses.replace(options, seeds=3)).resumed
    with pytest.raises(FailedPrecondition, match="--fresh"):
        prepared(dataclasses.replace(options, quick=False))
    with pytest.raises(FailedPrecondition, match="--out"):
        prepared(dataclasses.replace(options, deterministic=True))


def test_fresh_removes_what_the_demo_made_and_nothing_else(options: DemoOptions) -> None:
    prepared(options)
    (options.out / "runs" / "rl").mkdir(parents=True)
    (options.out / "mine.txt").touch()
    (options.out / "summary.json").write_text("{}")
    assert not prepared(dataclasses.replace(options, fresh=True)).resumed
    assert sorted(path.name for path in options.out.iterdir()) == ["demo.json", "mine.txt"]


def test_runs_that_are_not_a_demos_are_left_alone(options: DemoOptions) -> None:
    (options.out / "runs").mkdir(parents=True)
    with pytest.raises(FailedPrecondition, match="not a demo's"):
        prepared(options)
    assert (options.out / "runs").is_dir()


def test_a_demo_that_works_is_not_disturbed(options: DemoOptions) -> None:
    prepared(options)
    with record.locked(options.state), pytest.raises(FailedPrecondition, match="a stack runs in"):
        prepared(dataclasses.replace(options, fresh=True))


def test_it_is_finished_when_all_seeds_are_summed_up(options: DemoOptions) -> None:
    demo = prepared(options)
    assert not demo.is_finished
    (options.out / "summary.json").write_text(json.dumps({"seeds": 1}))
    assert demo.is_finished
    assert not prepared(dataclasses.replace(options, seeds=2)).is_finished
