"""Clients of a simulated cluster."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.fixtures import cluster
from tests.cluster.kubectl import KUBECTL, NO_KUBECTL

if TYPE_CHECKING:
    from kubernetes import client

    from tests.cluster.simulator import Cluster

__all__ = ["cluster"]


@pytest.fixture
def kubectl(cluster: "Cluster") -> "Cluster":
    """The cluster, where its `kubectl` method can be used."""
    if not KUBECTL:
        pytest.skip(NO_KUBECTL)
    return cluster


@pytest.fixture
def python_client(cluster: "Cluster") -> Iterator["client.ApiClient"]:
    """The Python client, as configured by the cluster's kubeconfig."""
    config = pytest.importorskip("kubernetes.config", reason="no kubernetes: pip install kubernetes")
    with config.new_client_from_config(config_file=str(cluster.kubeconfig)) as found:
        yield found
