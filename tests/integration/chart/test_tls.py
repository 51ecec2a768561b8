"""Certificates and tokens: what the chart makes is what real services and our health command accept."""

import asyncio
import base64
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from farfield_environment.config import EnvironmentConfig
from farfield_kernel.client import ClientConfig, channel
from farfield_kernel.config import parse
from farfield_kernel.server import Server, ServerConfig
from farfield_kernel.tls import TlsConfig

sys.path.insert(0, str(Path(__file__).parent))

from rendering import (
    CHART,
    DEMO,
    NAMESPACE,
    WORKLOADS,
    Object,
    cluster_with,
    config,
    labels,
    named,
    of,
    rendered,
    template,
)

TLS = ("--set", "tls.enabled=true")
FOLDER = "/etc/farfield-tls"
SPEAKS = "rl-environment-generalpoints"


def mounted(objects: list[Object], owner: str, folder: Path) -> Path:
    """A Secret's files, as a pod has them."""
    here = folder / owner
    here.mkdir()
    for name, content in named(objects, "Secret", f"{owner}-tls")["data"].items():
        (here / name).write_bytes(base64.b64decode(content))
    return here


@pytest.fixture
def made(helm: str) -> list[Object]:
    return rendered(helm, DEMO, *TLS)


@pytest.fixture
async def server(made: list[Object], tmp_path: Path) -> AsyncIterator[Server]:
    """A server as the chart configures an environment's, on a free port."""
    files = mounted(made, SPEAKS, tmp_path)
    told = yaml.safe_load(yaml.safe_dump(config(made, SPEAKS)).replace(FOLDER, str(files)))
    own = parse(EnvironmentConfig, told, SPEAKS).server
    server = Server(ServerConfig(port=0, tls=own.tls, drain_seconds=0), [])
    await server.start()
    yield server
    await server.stop()


async def answer(server: Server, tls: TlsConfig | None, address: str = "") -> Any:
    told = ClientConfig(address=address or server.address, tls=tls, attempts=2)
    async with channel(told) as to_service:
        asked = health_pb2.HealthCheckRequest()
        return await health_pb2_grpc.HealthStub(to_service).Check(asked, timeout=10)


@pytest.mark.parametrize("name", ["localhost", f"{SPEAKS}.train.svc.cluster.local", f"{SPEAKS}.train.svc"])
async def test_a_service_is_known_by_the_names_that_it_is_called_by(
    made: list[Object], server: Server, tmp_path: Path, name: str
) -> None:
    own = mounted(made, "rl-client", tmp_path)
    pair = {"certificate": own / "tls.crt", "key": own / "tls.key", "ca": own / "ca.crt"}
    tls = TlsConfig(**pair, server_name=name)
    assert (await answer(server, tls)).status == health_pb2.HealthCheckResponse.SERVING


async def test_who_has_no_certificate_is_turned_away(
    made: list[Object], server: Server, tmp_path: Path
) -> None:
    own = mounted(made, "rl-client", tmp_path)
    with pytest.raises(grpc.aio.AioRpcError):
        await answer(server, TlsConfig(ca=own / "ca.crt"))


async def test_a_service_is_not_taken_for_another(made: list[Object], server: Server, tmp_path: Path) -> None:
    own = mounted(made, "rl-client", tmp_path)
    pair = {"certificate": own / "tls.crt", "key": own / "tls.key", "ca": own / "ca.crt"}
    with pytest.raises(grpc.aio.AioRpcError):
        await answer(server, TlsConfig(**pair, server_name="rl-policy.train.svc"))


async def test_the_probe_is_answered(made: list[Object], server: Server, tmp_path: Path) -> None:
    container = named(made, "Deployment", SPEAKS)["spec"]["template"]["spec"]["containers"][0]
    words = container["readinessProbe"]["exec"]["command"]
    own = tmp_path / SPEAKS
    words = [word.replace(FOLDER, str(own)).replace(":50051", f":{server.port}") for word in words]
    done = await _run([sys.executable, *words[1:]])
    assert done.returncode == 0, done.stderr


async def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False)


def test_every_end_of_every_link_has_its_certificate(made: list[Object]) -> None:
    end = {
        "certificate": f"{FOLDER}/tls.crt",
        "key": f"{FOLDER}/tls.key",
        "ca": f"{FOLDER}/ca.crt",
    }
    for one in of(made, *WORKLOADS):
        if labels(one)["farfield.dev/kind"] != "redis":
            told = config(made, one["metadata"]["name"])
            assert told["server"]["tls"] == end
            assert all(client["tls"] == end for client in _clients(told))


def _clients(told: dict[str, Any]) -> list[Any]:
    """Configurations of what is called, wherever they stand."""
    found = [told[key] for key in ("environment", "verifier", "policy", "discovery") if key in told]
    return [*found, *told.get("environments", {}).values()]


def test_a_certificate_of_callers_is_asked_for_unless_told_otherwise(helm: str) -> None:
    objects = template(helm, DEMO, *TLS, "--set", "tls.mutual=false")
    assert "ca" not in config(objects, "rl-trainer")["server"]["tls"]
    assert config(objects, "rl-rollout")["discovery"]["tls"]["ca"] == f"{FOLDER}/ca.crt"


def test_the_authority_s_key_is_in_no_pod(made: list[Object]) -> None:
    mounted_somewhere = {
        volume["secret"]["secretName"]
        for one in of(made, *WORKLOADS)
        for volume in one["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }
    assert "rl-ca" not in mounted_somewhere
    assert f"{SPEAKS}-tls" in mounted_somewhere


def test_a_service_that_speaks_no_tls_is_told_so_to_everybody(helm: str) -> None:
    objects = template(helm, CHART / "ci" / "external-redis-values.yaml")
    plain = named(objects, "Service", "rl-environment-web-shop")
    assert plain["metadata"]["annotations"] == {"farfield.dev/tls": "false"}
    assert named(objects, "Service", "rl-policy")["metadata"]["annotations"] == {"farfield.dev/tls": "true"}
    assert "tls" not in config(objects, "rl-environment-web-shop")["server"]


def test_an_upgrade_keeps_authority_and_certificates(helm: str) -> None:
    before = template(helm, DEMO, *TLS)
    secrets = of(before, "Secret")
    with cluster_with(secrets, before) as address:
        cluster = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address)
        after = template(helm, DEMO, *TLS, *cluster, "--show-only", "templates/tls.yaml")
    for one in of(after, "Secret"):
        assert one["data"] == named(before, "Secret", one["metadata"]["name"])["data"]


def test_a_plugin_that_is_added_gets_a_certificate_of_the_authority_that_is_there(helm: str) -> None:
    before = template(helm, DEMO, *TLS)
    added = ("--set", "environments[0].name=new,environments[0].image.repository=x")
    with cluster_with(of(before, "Secret"), before) as address:
        cluster = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address)
        after = template(helm, DEMO, *TLS, *added, *cluster, "--show-only", "templates/tls.yaml")
    authority = named(before, "Secret", "rl-ca")["data"]["tls.crt"]
    assert named(after, "Secret", "rl-environment-new-tls")["data"]["ca.crt"] == authority
    kept = named(before, "Secret", "rl-policy-tls")["data"]
    assert named(after, "Secret", "rl-policy-tls")["data"] == kept


def test_a_secret_of_ones_own_serves_all(helm: str) -> None:
    objects = template(helm, DEMO, *TLS, "--set", "tls.existingSecret=mine")
    assert not [one for one in of(objects, "Secret") if "tls" in one["type"]]
    for one in of(objects, *WORKLOADS):
        volumes = one["spec"]["template"]["spec"]["volumes"]
        taken = {one["secret"]["secretName"] for one in volumes if "secret" in one and one["name"] != "users"}
        assert taken <= {"mine"}


def test_cert_manager_is_asked_for_each(helm: str) -> None:
    words = "tls.certManager.enabled=true,tls.certManager.issuerRef.name=ours"
    objects = template(helm, DEMO, *TLS, "--set", words)
    asked = {one["spec"]["secretName"]: one["spec"] for one in of(objects, "Certificate")}
    assert f"{SPEAKS}.{NAMESPACE}.svc.cluster.local" in asked[f"{SPEAKS}-tls"]["dnsNames"]
    assert asked["rl-client-tls"]["usages"] == ["server auth", "client auth"]


@pytest.mark.parametrize("discovers", [True, False])
def test_a_token_is_asked_for_and_presented(helm: str, discovers: bool) -> None:
    words = f"auth.enabled=true,discovery.enabled={str(discovers).lower()}"
    objects = template(helm, DEMO, "--set", words)
    token = {"valueFrom": {"secretKeyRef": {"name": "rl-auth", "key": "token"}}}
    for one in of(objects, *WORKLOADS):
        kind = labels(one)["farfield.dev/kind"]
        if kind != "redis":
            variables = one["spec"]["template"]["spec"]["containers"][0]["env"]
            assert {"name": f"FARFIELD_{kind.upper()}__SERVER__TOKEN", **token} in variables
    presented = _presented(named(objects, "Deployment", "rl-rollout"))
    targets = ["environment", "verifier", "policy", "environments__generalpoints", "environments__virl"]
    assert presented == {one.upper() for one in (["discovery"] if discovers else targets)}


def _presented(workload: Object) -> set[str]:
    variables = workload["spec"]["template"]["spec"]["containers"][0]["env"]
    names = [one["name"] for one in variables if one["name"].endswith("__TOKEN")]
    inner = {name.removeprefix("FARFIELD_ROLLOUT__").removesuffix("__TOKEN") for name in names}
    return inner - {"SERVER"}
