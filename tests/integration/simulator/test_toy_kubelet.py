"""What the toy kubelet makes of a pod, short of running it; tests/containers runs it."""

import base64
import socket
import stat
import struct
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: pip install -r tests/cluster/requirements.txt")

from tests.cluster.podman import translation
from tests.cluster.podman.environment import NotConfigured, variables
from tests.cluster.podman.network import Names
from tests.cluster.podman.volumes import Volumes
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

PLACE = {"name": "redis", "namespace": "train"}


@pytest.fixture
def store() -> Store:
    store = Store()
    data = {"password": base64.b64encode(b"secret").decode()}
    store.create(BY_KIND["Secret"], {"kind": "Secret", "metadata": PLACE, "data": data})
    store.create(BY_KIND["ConfigMap"], {"kind": "ConfigMap", "metadata": PLACE, "data": {"a.conf": "port 1"}})
    return store


def pod(container: Object, **spec: object) -> Object:
    meta = {**PLACE, "name": "redis-0", "uid": "0123456789"}
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": "redis", "image": "redis:7", **container}], **spec},
    }


def test_variables_come_from_where_the_pod_says(store: Store) -> None:
    secret = {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "password"}}}
    field = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    env = [
        {"name": "PASSWORD", **secret},
        {"name": "ME", **field},
        {"name": "URL", "value": "//:$(PASSWORD)@$$x"},
    ]
    one = pod({"env": env})
    found = variables(store, one, one["spec"]["containers"][0])
    assert found == {"PASSWORD": "secret", "ME": "redis-0", "URL": "//:secret@$x"}


def test_a_missing_secret_is_named(store: Store) -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "b"}}}]
    one = pod({"env": env})
    with pytest.raises(NotConfigured, match="Secret other is not there"):
        variables(store, one, one["spec"]["containers"][0])


def test_a_locked_down_container_is_run_so() -> None:
    container = {
        "command": ["sh", "-c"],
        "args": ["echo $(A)"],
        "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    one = pod(container, securityContext={"runAsUser": 7, "runAsGroup": 8, "fsGroup": 9})
    words = translation.run(one, one["spec"]["containers"][0], {"A": "b"}, ["--volume=/a:/b:ro"])
    assert set(words) >= {
        "--user=7:8",
        "--group-add=9",
        "--read-only",
        "--security-opt=no-new-privileges",
        "--cap-drop=ALL",
        "--memory=67108864",
        "--cpus=0.5",
        "--env=A=b",
        "--volume=/a:/b:ro",
        '--entrypoint=["sh", "-c"]',
    }
    assert words[-2:] == ["localhost/redis:7", "echo b"]


def test_an_image_of_a_registry_keeps_its_name() -> None:
    assert translation.image("docker.io/valkey/valkey:8.1") == "docker.io/valkey/valkey:8.1"
    assert translation.image("farfield/rollout:1") == "localhost/farfield/rollout:1"


def test_volumes_are_folders_that_the_group_may_use(store: Store, tmp_path: Path) -> None:
    group = tmp_path.stat().st_gid
    volumes = [
        {"name": "config", "configMap": {"name": "redis"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    mounts = [
        {"name": "config", "mountPath": "/etc/redis", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    one = pod({"volumeMounts": mounts}, volumes=volumes, securityContext={"fsGroup": group})
    made = Volumes(tmp_path, one)
    made.set_up(store)
    config, scratch = made.mounts(one["spec"]["containers"][0])
    assert (tmp_path / "pods/0123456789/config/a.conf").read_text() == "port 1"
    assert config.endswith("/config/:/etc/redis:ro") or config.endswith("/config:/etc/redis:ro")
    assert scratch.endswith(":/tmp:rw")
    assert stat.S_IMODE((tmp_path / "pods/0123456789/tmp").stat().st_mode) & 0o070 == 0o070
    made.clear()
    assert not (tmp_path / "pods/0123456789").exists()


def test_a_claim_is_waited_for_and_kept(store: Store, tmp_path: Path) -> None:
    one = pod({}, volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
    with pytest.raises(NotConfigured, match="persistentvolumeclaim data"):
        Volumes(tmp_path, one).set_up(store)
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "train"}, "spec": {}}
    store.create(BY_KIND["PersistentVolumeClaim"], claim)
    made = Volumes(tmp_path, one)
    made.set_up(store)
    made.clear()
    assert (tmp_path / "claims/train/data").is_dir()


def question(name: str) -> bytes:
    words = b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))
    return b"\x12\x34" + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + words + b"\0" + struct.pack("!HH", 1, 1)


def answered(store: Store, name: str) -> tuple[int, list[str]]:
    """The code, and the addresses, of the answer to one question."""
    answer = Names(store).answer(question(name))
    flags, _, count = struct.unpack("!HHH", answer[2:8])
    records = answer[len(question(name)) :]
    return flags & 0xF, [socket.inet_ntoa(records[16 * i + 12 : 16 * i + 16]) for i in range(count)]


def test_a_service_has_the_addresses_of_its_ready_pods(store: Store) -> None:
    store.create(BY_KIND["Service"], {"kind": "Service", "metadata": PLACE, "spec": {}})
    ends = [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "hostname": "redis-0"},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}, "hostname": "redis-1"},
        {"addresses": ["10.0.0.3"], "conditions": {"ready": True}, "hostname": "redis-2"},
    ]
    meta = {**PLACE, "labels": {"kubernetes.io/service-name": "redis"}}
    store.create(BY_KIND["EndpointSlice"], {"kind": "EndpointSlice", "metadata": meta, "endpoints": ends})
    assert answered(store, "redis.train.svc.cluster.local") == (0, ["10.0.0.1", "10.0.0.3"])
    assert answered(store, "redis-2.redis.train.svc.cluster.local") == (0, ["10.0.0.3"])
    assert answered(store, "redis-1.redis.train.svc.cluster.local") == (3, [])
    assert answered(store, "other.train.svc.cluster.local") == (3, [])
    assert answered(store, "example.org") == (3, [])
