import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farfield_cli.__main__ import app
from farfield_cli.experiment.definition.experiment import Experiment
from farfield_cli.experiment.pages import page
from farfield_cli.experiment.pages.summary import markdown, read
from farfield_kernel.errors import DataLoss, NotFound


def test_every_arm_and_claim_is_a_line(experiment: Experiment, whole: Path) -> None:
    page.write(experiment, whole)
    text = markdown(read([whole.parent]))
    assert "| experiment | arm | as trained, % | OOD by rule, % |" in text
    assert re.search(r"\| game, tiny, 3 seeds \| base \| 6\d\.\d ± 2\.0 \|", text)
    assert re.search(r"\| game, tiny, 3 seeds \| RL \| 6\d\.\d → [78]\d\.\d ± \d\.\d \|", text)
    assert re.search(r"\| supported \| \+2\d\.\d points, 95 % interval", text)
    assert "| without its control |" in text
    assert "**game, tiny, 3 seeds**: Of 2 claims: 2 supported." in text


def test_folders_without_a_result_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"experiment\.json"):
        read([tmp_path])
    (tmp_path / "experiment.json").write_text("{")
    with pytest.raises(DataLoss, match="torn"):
        read([tmp_path])


def test_the_command_prints_it(experiment: Experiment, whole: Path) -> None:
    page.write(experiment, whole)
    found = CliRunner().invoke(app, ["experiment", "summary", str(whole)])
    assert found.exit_code == 0
    assert "On the unseen rule RL ends above SFT" in found.output
