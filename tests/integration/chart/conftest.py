"""Every Helm there is, and the values files that the chart is rendered with."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CI, DEMO, NO_HELM, Object, helms, rendered


@pytest.fixture(params=helms() or [pytest.param("", marks=NO_HELM)], ids=lambda helm: Path(helm).name)
def each_helm(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def helm() -> str:
    """One: a test shows that all render the same."""
    found = helms()
    if not found:
        pytest.skip(NO_HELM.kwargs["reason"])
    return found[-1]


@pytest.fixture(params=CI, ids=lambda path: path.stem)
def values(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def objects(helm: str, values: Path) -> list[Object]:
    return rendered(helm, values)


@pytest.fixture
def demo(helm: str) -> list[Object]:
    return rendered(helm, DEMO)
