"""Where a cluster is, by the account of a pod or by a KUBECONFIG file."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield_kernel.cluster import access as accesses
from farfield_kernel.cluster.access import IN_CLUSTER, access
from farfield_kernel.errors import FailedPrecondition, NotFound


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    contexts = [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ours"}},
        {"name": "there", "context": {"cluster": "c", "user": "u"}},
    ]
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://api:1"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": contexts,
        "current-context": "there",
    }
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


async def test_a_context_of_the_file(kubeconfig: Path) -> None:
    found = await access("here")
    assert (found.host, found.namespace, found.context) == ("http://api:1", "ours", "here")
    assert await found.headers(False) == {"Authorization": "Bearer secret"}
    assert "secret" not in repr(found)


async def test_without_a_name_the_current_context(kubeconfig: Path) -> None:
    found = await access()
    assert (found.context, found.namespace) == ("there", "default")


async def test_no_such_context(kubeconfig: Path) -> None:
    with pytest.raises(NotFound, match="no context 'prod' in the KUBECONFIG file; it has here, there"):
        await access("prod")


async def test_no_file(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig.with_name("none")))
    with pytest.raises(FailedPrecondition, match=r"none names no cluster .* set KUBECONFIG"):
        await access("prod")


async def test_a_pod_presents_the_token_that_is_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    outputs = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "ca.crt")]
    subprocess.run([*command, *outputs], check=True, capture_output=True)  # noqa: ASYNC221
    (tmp_path / "namespace").write_text("train")
    monkeypatch.setattr(accesses, "_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = await access()
    assert (found.host, found.namespace, found.context) == ("https://[fd00::1]:443", "train", IN_CLUSTER)
    for token in ("first", "renewed"):
        (tmp_path / "token").write_text(token + "\n")
        assert await found.headers(False) == {"Authorization": f"Bearer {token}"}


async def test_in_a_cluster_and_without_an_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accesses, "_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(FailedPrecondition, match="whose ServiceAccount token is mounted"):
        await access(IN_CLUSTER)
