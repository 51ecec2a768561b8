"""The images as a cluster runs them: what they answer, who they run as, and what is in them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from packaging.utils import canonicalize_name

from farfield.environment.v1 import environment_pb2 as env_pb
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.policy.v1 import policy_pb2 as policy_pb
from farfield.policy.v1.policy_pb2_grpc import PolicyServiceStub
from farfield.trainer.v1 import trainer_pb2 as trainer_pb
from farfield.trainer.v1.trainer_pb2_grpc import TrainerServiceStub
from farfield.verifier.v1 import verifier_pb2 as ver_pb
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from tests.images.conftest import Container, image_of, podman

ROOT = Path(__file__).parents[2]
Start = Callable[..., Container]
SLIM = ["environment", "verifier", "rollout"]
SLIM_BYTES = 250_000_000
WITH_TORCH = ["policy", "trainer"]

NOT_PINNED = {"async-timeout", "setuptools"}
"""What constraints.txt does not hold: redis needs the first on Pythons before 3.11.3, torch the second."""

INSTALLED = """
import importlib.metadata, json
print(json.dumps({one.name: one.version for one in importlib.metadata.distributions()}))
"""


def installed(service: str) -> dict[str, str]:
    """Versions by distribution, as the image's own Python sees them."""
    listed = podman("run", "--rm", "--entrypoint", "python", image_of(service), "-c", INSTALLED).stdout
    return {
        canonicalize_name(name): version.partition("+")[0] for name, version in json.loads(listed).items()
    }


def inspected(service: str) -> dict:
    (image,) = json.loads(podman("image", "inspect", image_of(service)).stdout)
    return image


def constraints() -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def test_an_environment_answers_from_this_host(start: Start) -> None:
    container = start("environment")
    with grpc.insecure_channel(container.address) as channel:
        stub = EnvironmentServiceStub(channel)
        described = stub.Describe(env_pb.DescribeRequest())
        created = stub.CreateSessions(
            env_pb.CreateSessionsRequest(
                environment=env_pb.EnvironmentRef(name="generalpoints", variant="id"),
                sessions=[env_pb.NewSession(session_id="a", seed=1)],
            )
        )
    assert {info.name for info in described.environments} == {"generalpoints", "virl"}
    assert not described.broken
    assert created.sessions[0].session_id == "a"
    assert container.stop() == 0


def test_a_verifier_answers_from_this_host(start: Start) -> None:
    container = start("verifier")
    with grpc.insecure_channel(container.address) as channel:
        described = VerifierServiceStub(channel).Describe(ver_pb.DescribeRequest())
    assert {info.name for info in described.verifiers} == {"generalpoints", "virl"}
    assert not described.broken
    assert container.stop() == 0


def test_arguments_reach_the_service(start: Start) -> None:
    container = start("environment", "--plugins", "[virl]", "--executors.virl", "process")
    assert container.healthcheck("--service", "environment/virl") == 0
    assert container.healthcheck("--service", "environment/generalpoints") == 1
    with grpc.insecure_channel(container.address) as channel:
        described = EnvironmentServiceStub(channel).Describe(env_pb.DescribeRequest())
    assert [info.name for info in described.environments] == ["virl"]


def test_a_file_of_ones_own_overrides_the_image_s_key_by_key(start: Start, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("plugins: [virl]\nserver: {metrics_port: null, drain_seconds: 1}\n")
    (tmp_path / "config.yaml").chmod(0o644)
    tmp_path.chmod(0o755)
    mount = f"{tmp_path}:/etc/farfield-service:ro"
    container = start("environment", "--config", "/etc/farfield-service/config.yaml", mounts=(mount,))
    assert container.healthcheck("--service", "environment/virl") == 0
    assert "metrics on port" not in podman("logs", container.id).stderr


@pytest.fixture(scope="module")
def environment(start: Start) -> Container:
    return start("environment")


def test_it_runs_as_nobody_special_on_a_root_that_it_cannot_write(environment: Container) -> None:
    assert environment.run("id", "-u").stdout.strip() == "10001"
    assert "Read-only file system" in environment.run("touch", "/opt/venv/it").stderr


def test_a_policy_plays_a_mounted_model(start: Start) -> None:
    mount = f"{ROOT}/examples/tiny/checkpoint:/model:ro"
    container = start("policy", "--engine.model", "/model", mounts=(mount,))
    with grpc.insecure_channel(container.address) as channel:
        described = PolicyServiceStub(channel).Describe(policy_pb.DescribeRequest())
    assert (described.engine, described.parameters > 0) == ("torch", True)
    assert container.stop() == 0


def test_a_worker_waits_for_its_queue(start: Start) -> None:
    assert start("rollout").stop() == 0


def test_a_trainer_has_no_runs_yet(start: Start) -> None:
    container = start("trainer", "--queue-url", "memory://alone", "--runs", "/tmp/runs")
    with grpc.insecure_channel(container.address) as channel:
        assert not TrainerServiceStub(channel).ListRuns(trainer_pb.ListRunsRequest()).runs
    assert container.stop() == 0


@pytest.mark.parametrize("service", [*SLIM, *WITH_TORCH])
def test_versions_are_those_of_the_constraints(service: str) -> None:
    found, pins = installed(service), constraints()
    ours = {name for name in found if name.startswith("farfield-")}
    others = {name: found[name] for name in found.keys() - ours - NOT_PINNED}
    assert f"farfield-{service}" in ours
    assert {name: pins.get(name) for name in others} == others


@pytest.mark.parametrize("service", SLIM)
def test_no_torch_where_none_is_needed(service: str) -> None:
    assert not {"torch", "transformers", "numpy", "pip"} & installed(service).keys()
    assert inspected(service)["Size"] < SLIM_BYTES


@pytest.mark.parametrize("service", [*SLIM, *WITH_TORCH])
def test_labels_and_defaults(service: str) -> None:
    image = inspected(service)
    labels = {
        name.removeprefix("org.opencontainers.image."): value for name, value in image["Labels"].items()
    }
    assert (labels["title"], labels["version"]) == (f"farfield-{service}", "0.1.0")
    assert labels["licenses"] == "Apache-2.0"
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"][0] == "farfield-service"
