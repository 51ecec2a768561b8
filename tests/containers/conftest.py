"""The demo's values, installed: the real Helm, a simulated API, and the real images in real containers."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.fixtures import NEEDS
from tests.cluster.kubectl import KUBECTL, NO_KUBECTL
from tests.containers.demo import IMAGES, Demo
from tests.integration.chart.rendering import helms


def _missing() -> str:
    """Why containers cannot be run here, if they cannot."""
    if os.geteuid() != 0:
        return "pods are run by root alone"
    if not KUBECTL:
        return NO_KUBECTL
    for command in ("podman", "nsenter"):
        if not shutil.which(command):
            return f"no {command} on PATH"
    if not helms():
        return "no helm: make chart-tools"
    for image in IMAGES:
        if subprocess.run(["podman", "image", "exists", image], check=False).returncode:
            return f"no image {image}: see docker/README.md"
    return ""


def needed() -> None:
    """Skips where containers cannot be run."""
    for name in NEEDS:
        pytest.importorskip(name, reason=f"no {name}: pip install -r tests/cluster/requirements.txt")
    if missing := _missing():
        pytest.skip(missing)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Installed, and every pod ready."""
    with installed(tmp_path_factory) as release:
        yield release


@contextmanager
def installed(tmp_path_factory: pytest.TempPathFactory, **values: Any) -> Iterator[Demo]:
    """The demo's values with these over them, in a cluster of their own for the length of a block."""
    needed()
    from tests.cluster.podman.kubelet import PodmanKubelet
    from tests.cluster.simulator import running

    folder = tmp_path_factory.mktemp("cluster")
    with running(folder, lambda: PodmanKubelet(folder)) as cluster:
        release = Demo(helms()[-1], cluster, folder)
        try:
            release.bring_model()
            release.install(*(("--values", release.write(**values)) if values else ()))
            yield release
        except BaseException:
            print(release.logs())
            raise


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What the pods wrote, beside a test that failed."""
    report = (yield).get_result()
    given = item.funcargs.values() if hasattr(item, "funcargs") else ()
    if report.failed:
        report.sections += [("what the pods wrote", one.logs()) for one in given if isinstance(one, Demo)]
