"""The environment and verifier services as real processes: explored by strangers, stopped and killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import grpc
import psutil
import pytest

from farfield.environment.v1 import environment_pb2 as env_pb
from farfield.environment.v1 import environment_pb2_grpc
from farfield.verifier.v1 import verifier_pb2 as ver_pb
from farfield.verifier.v1 import verifier_pb2_grpc

EnvironmentStub = environment_pb2_grpc.EnvironmentServiceStub
VerifierStub = verifier_pb2_grpc.VerifierServiceStub


class Service:
    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if port := json.loads(line).get("port"):
                self.address = f"127.0.0.1:{port}"
                return
        raise AssertionError(f"{module} did not start")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def start() -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def started(module: str, *arguments: str) -> Service:
        services.append(Service(module, *arguments))
        return services[-1]

    yield started
    for service in services:
        if service.process.poll() is None:
            service.stop(signal.SIGKILL)


def buf_curl(address: str, method: str, **request: object) -> dict:
    """As a stranger explores a service: by reflection, without the contracts."""
    command = ["buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", json.dumps(request)]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(
        [*command, f"http://{address}/{method}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path},
    )
    return json.loads(done.stdout)


def test_strangers_explore_by_reflection(start: Callable[..., Service]) -> None:
    service = start("farfield_environment")
    described = buf_curl(service.address, "farfield.environment.v1.EnvironmentService/Describe")
    (info,) = [one for one in described["environments"] if one["name"] == "generalpoints"]
    assert {one["name"] for one in info["variants"]} >= {"id", "ood"}
    health = buf_curl(service.address, "grpc.health.v1.Health/Check", service="environment/generalpoints")
    assert health == {"status": "SERVING"}
    assert service.stop() == 0


def test_a_run_of_both_services(start: Callable[..., Service]) -> None:
    environment, verifier = start("farfield_environment"), start("farfield_verifier")
    with grpc.insecure_channel(environment.address) as to_environment:
        stub = EnvironmentStub(to_environment)
        created = stub.CreateSessions(
            env_pb.CreateSessionsRequest(
                environment=env_pb.EnvironmentRef(name="generalpoints", variant="id"),
                sessions=[env_pb.NewSession(session_id="a", seed=1)],
            )
        )
        action = env_pb.Action(session_id="a", turn=0, response="I do not know.")
        (stepped,) = stub.Step(env_pb.StepRequest(actions=[action])).results
        stub.CloseSessions(env_pb.CloseSessionsRequest(session_ids=["a"]))  # else it is waited for at the end
    with grpc.insecure_channel(verifier.address) as to_verifier:
        attempt = ver_pb.Attempt(
            response=action.response, facts_json=created.sessions[0].facts_json, state=stepped.outcome.state
        )
        plan = ver_pb.RewardPlan(leaf=ver_pb.Leaf(verifier="generalpoints"))
        answer = VerifierStub(to_verifier).Verify(ver_pb.VerifyRequest(plan=plan, attempts=[attempt]))
    assert answer.results[0].verdict.reward == -3
    assert answer.results[0].verdict.feedback
    assert (environment.stop(), verifier.stop()) == (0, 0)


def test_sessions_of_a_killed_service_go_on_at_another(start: Callable[..., Service]) -> None:
    reference = env_pb.EnvironmentRef(name="generalpoints", variant="id")
    responses = ["first try", "second try"]
    first = start("farfield_environment")
    with grpc.insecure_channel(first.address) as channel:
        stub = EnvironmentStub(channel)
        sessions = [env_pb.NewSession(session_id="a", seed=1)]
        stub.CreateSessions(env_pb.CreateSessionsRequest(environment=reference, sessions=sessions))
        for turn, response in enumerate(responses):
            action = env_pb.Action(session_id="a", turn=turn, response=response)
            (last,) = stub.Step(env_pb.StepRequest(actions=[action])).results
        first.stop(signal.SIGKILL)
        with pytest.raises(grpc.RpcError):
            stub.Step(env_pb.StepRequest(actions=[action]), timeout=5)
    second = start("farfield_environment")
    with grpc.insecure_channel(second.address) as channel:
        history = env_pb.History(session_id="a", seed=1, responses=responses, digest=last.outcome.digest)
        request = env_pb.RestoreSessionsRequest(environment=reference, sessions=[history])
        (restored,) = EnvironmentStub(channel).RestoreSessions(request).results
        assert restored.outcome == last.outcome


def test_children_of_a_killed_service_end_too(start: Callable[..., Service]) -> None:
    service = start("farfield_environment", "--executors.generalpoints", "process")
    with grpc.insecure_channel(service.address) as channel:
        EnvironmentStub(channel).CreateSessions(
            env_pb.CreateSessionsRequest(
                environment=env_pb.EnvironmentRef(name="generalpoints"),
                sessions=[env_pb.NewSession(session_id="a", seed=1)],
            )
        )
    children = psutil.Process(service.process.pid).children(recursive=True)
    assert len(children) == 1
    service.stop(signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (1, [])


@pytest.mark.parametrize(
    ("module", "typo", "says"),
    [
        ("farfield_environment", "server.prot", "server.prot: unknown key; did you mean 'port'?"),
        ("farfield_verifier", "server.prot", "server.prot: unknown key; did you mean 'port'?"),
        ("farfield_rollout", "concurency", "did you mean 'concurrency'?"),
    ],
)
def test_a_typo_in_the_configuration_is_named(module: str, typo: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, f"--{typo}", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("module", ["farfield_environment", "farfield_verifier"])
def test_a_port_in_use_is_named(start: Callable[..., Service], module: str) -> None:
    port = start(module).address.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", module, "--server.port", port], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: is the port in use?" in done.stderr
