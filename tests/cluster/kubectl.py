"""The kubectl that tests use."""

import shutil
from pathlib import Path

_FETCHED = Path(__file__).parents[2] / ".helm" / "kubectl"

KUBECTL = shutil.which("kubectl") or (str(_FETCHED) if _FETCHED.exists() else None)
"""On PATH, else as `make chart-tools` fetched it, else None."""

NO_KUBECTL = "no kubectl on PATH: `make chart-tools` fetches one"
