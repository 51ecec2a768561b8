"""A trainer of several ranks: torchrun as the chart calls it, on this machine in place of pods."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CHART, DEMO, Object, labels, named, of, template

FSDP = CHART / "ci" / "gpu-fsdp-values.yaml"
DOMAIN = "rl-trainer-ranks.train.svc.cluster.local"
REPORT = """\
import os
line = " ".join(os.environ[key] for key in ("RANK", "GROUP_RANK", "WORLD_SIZE"))
os.write(1, f"{line}\\n".encode())  # in one piece: ranks of a pod share the pipe
"""

CPU = "trainer.device=cpu,trainer.replicas=2,trainer.processes=2"


def trainer(objects: list[Object]) -> Any:
    return named(objects, "StatefulSet", "rl-trainer")["spec"]


def container(objects: list[Object]) -> Any:
    return trainer(objects)["template"]["spec"]["containers"][0]


def test_ranks_meet_at_the_first_pod(helm: str) -> None:
    objects = template(helm, FSDP)
    arguments = container(objects)["args"]
    assert {"--nnodes=2", "--nproc-per-node=8", f"--rdzv-endpoint=rl-trainer-0.{DOMAIN}:29500"} <= {
        *arguments
    }
    assert trainer(objects)["podManagementPolicy"] == "Parallel"
    ranks = named(objects, "Service", trainer(objects)["serviceName"])
    assert ranks["spec"]["publishNotReadyAddresses"] is True
    assert labels(ranks)["farfield.dev/kind"] == "ranks"  # nobody discovers it


def test_the_first_pod_alone_is_the_service(helm: str) -> None:
    objects = template(helm, FSDP)
    selector = named(objects, "Service", "rl-trainer")["spec"]["selector"]
    assert selector["statefulset.kubernetes.io/pod-name"] == "rl-trainer-0"


def test_one_rank_runs_without_torchrun(helm: str) -> None:
    one = container(template(helm, DEMO))
    assert "command" not in one
    assert "grpc" in one["livenessProbe"]


@pytest.mark.parametrize(
    ("given", "device"), [("", "cpu"), ("trainer.resources.limits.nvidia\\.com/gpu=1", "cuda")]
)
def test_ranks_train_where_the_gpus_are(helm: str, given: str, device: str) -> None:
    objects = template(helm, DEMO, *(["--set", given] if given else []))
    assert f"device: {device}\n" in named(objects, "ConfigMap", "rl-trainer")["data"]["config.yaml"]


@pytest.mark.parametrize(("pod", "status"), [("rl-trainer-0", 1), ("rl-trainer-1", 0), ("rl-trainer-10", 0)])
def test_only_the_first_pod_is_asked_for_its_health(helm: str, pod: str, status: int) -> None:
    words = container(template(helm, FSDP))["readinessProbe"]["exec"]["command"]
    start = words.index("python")
    words = [*words[:start], "false"]  # in place of the question, which nobody would answer
    assert subprocess.run(words, env={"POD_NAME": pod}, check=False).returncode == status


@pytest.mark.timeout(180)
def test_rank_0_is_in_the_first_pod_whichever_starts_first(
    helm: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    """Loopback addresses, which sort as the names of the pods do, are in place of these."""
    arguments = container(template(helm, DEMO, "--set", CPU))["args"]
    (tmp_path / "farfield_trainer.py").write_text(REPORT)
    started = []
    for ordinal in (1, 0):
        own = [
            word.replace(f"rl-trainer-0.{DOMAIN}:29500", f"127.0.0.1:{unused_tcp_port}").replace(
                f"$(POD_NAME).{DOMAIN}", f"127.0.0.{ordinal + 1}"
            )
            for word in arguments
        ]
        command = [sys.executable, "-m", "torch.distributed.run", *own]
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
    second, first = (process.communicate(timeout=150) for process in started)
    assert [process.returncode for process in started] == [0, 0], first[1] + second[1]
    assert sorted(first[0].splitlines()) == ["0 0 4", "1 0 4"]
    assert sorted(second[0].splitlines()) == ["2 1 4", "3 1 4"]


def test_names_of_pods_sort_with_the_first_in_front(helm: str) -> None:
    replicas = 12
    objects = template(helm, DEMO, "--set", f"trainer.device=cpu,trainer.replicas={replicas}")
    (address,) = [word for word in container(objects)["args"] if word.startswith("--local-addr=")]
    pods = [address.replace("$(POD_NAME)", f"rl-trainer-{ordinal}") for ordinal in range(replicas)]
    assert min(pods) == pods[0]


def test_several_ranks_share_memory(helm: str) -> None:
    objects = template(helm, FSDP)
    volumes = {one["name"]: one for one in trainer(objects)["template"]["spec"]["volumes"]}
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Gi"}
    assert container(objects)["resources"]["limits"]["nvidia.com/gpu"] == 8
    assert not [one for one in of(objects, "PodDisruptionBudget") if "trainer" in one["metadata"]["name"]]
