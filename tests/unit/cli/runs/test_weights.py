from rich.console import Console

from farfield.trainer.v1.trainer_pb2 import Run
from farfield_cli.runs.weights_commands import _versions


def test_versions_say_whether_they_are_adapters() -> None:
    runs = [
        Run(run_id="whole", version=4, versions=[2, 4]),
        Run(run_id="low-rank", version=3, versions=[3], adapters=True),
    ]
    console = Console(width=120, record=True)
    console.print(_versions(runs, []))
    lines = {line.split()[0]: line for line in console.export_text().splitlines()[1:]}
    assert "whole model" in lines["whole"]
    assert "adapter" in lines["low-rank"]
    assert "whole" not in lines["low-rank"]
