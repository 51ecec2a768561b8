"""Fixtures of the simulator. A folder of tests that is to have them says in its `conftest.py`:

from tests.cluster.fixtures import cluster
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cluster.simulator import Cluster

NEEDS = ("aiohttp", "jsonpatch", "kubernetes_validate")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator["Cluster"]:
    """A simulated cluster of one's own: its namespaces, and an imaginary kubelet."""
    for name in NEEDS:
        pytest.importorskip(name, reason=f"no {name}: pip install -r tests/cluster/requirements.txt")
    from tests.cluster.simulator import running

    folder = tmp_path / "cluster"
    folder.mkdir()
    with running(folder) as found:
        yield found
