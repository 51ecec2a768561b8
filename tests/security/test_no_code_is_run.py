"""While services answer hostile requests, nothing that arrives is compiled, unpickled or run: watched from
inside, by a hook in the processes themselves. What code says of that is in tests/contract."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.services import play

LISTENING = Path(__file__).parent / "listening"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setenv("FARFIELD_LISTENING", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(LISTENING))
    return folder


def heard(reports: Path) -> list[str]:
    return [path.read_text() for path in reports.glob("*.report")]


@pytest.mark.timeout(600)
def test_no_request_is_run(reports: Path, tmp_path: Path) -> None:
    tally = asyncio.run(play(tmp_path, cases=650, when_up=(reports / "armed").touch))
    assert tally.cases == 650
    assert heard(reports) == []


CODE = {
    "eval": "eval('1 + 1')",
    "exec": "exec('x = 1')",
    "pickle": "import pickle, os; pickle.loads(b'cposix\\ngetcwd\\n.')",
    "a shell": "import os; os.system('true')",
}


@pytest.mark.parametrize("what", CODE)
def test_the_hook_hears_it(reports: Path, what: str) -> None:
    """In a process that serves already; its own program is compiled before."""
    program = f"from pathlib import Path\nPath({str(reports / 'armed')!r}).touch()\n{CODE[what]}\n"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert heard(reports)


def test_an_import_is_not_taken_for_it(reports: Path) -> None:
    program = (
        f"from pathlib import Path\nPath({str(reports / 'armed')!r}).touch()\nimport decimal, dataclasses\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert heard(reports) == []
