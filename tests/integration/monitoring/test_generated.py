"""What follows from the code is what it should be."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def check(program: str) -> None:
    """In a process of its own: other tests put metrics of theirs on the registry."""
    command = [sys.executable, str(ROOT / "helm" / "monitoring" / program), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_of_metrics_follows_from_the_code() -> None:
    check("page.py")


@pytest.mark.skipif(
    importlib.util.find_spec("grafana_foundation_sdk") is None,
    reason="no grafana-foundation-sdk: pip install -r helm/monitoring/requirements.txt",
)
def test_the_dashboards_follow_from_their_code() -> None:
    check("dashboards.py")
