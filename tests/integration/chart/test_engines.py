"""Engines with a server of their own: what the chart tells the server and what it tells the gateway agree."""

import sys
from pathlib import Path
from typing import Any

import pytest

from farfield_policy.engine import Version
from farfield_policy.tgi.template import Release, Template

sys.path.insert(0, str(Path(__file__).parent))

from configurations import accepted
from rendering import CHART, DEMO, Object, named, pods, template

TGI = CHART / "ci" / "gpu-tgi-values.yaml"
VLLM = CHART / "ci" / "gpu-vllm-values.yaml"


def containers(objects: list[Object], name: str = "rl-policy") -> dict[str, Any]:
    spec = named(objects, "Deployment", name)["spec"]["template"]["spec"]
    return {one["name"]: one for one in spec["containers"]}


def engine(objects: list[Object]) -> Any:
    return accepted(objects)["rl-policy"].engine


def flags(arguments: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").partition("=")[::2] for word in arguments)


@pytest.fixture
def tgi(helm: str) -> list[Object]:
    return template(helm, TGI)


@pytest.fixture
def vllm(helm: str) -> list[Object]:
    return template(helm, VLLM)


# text-generation-inference


def test_the_gateway_can_make_servers_of_the_template(tgi: list[Object], tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(named(tgi, "ConfigMap", "rl-tgi")["data"]["template.yaml"])
    told = engine(tgi).weights
    release = Release("/var/lib/farfield/runs/first/weights/7", Version("first", 7, "abc"))
    pair = Template(file, told.name_prefix).render(release)
    (container,) = pair.deployment["spec"]["template"]["spec"]["containers"]
    assert flags(container["args"])["model-id"] == release.path
    assert pair.name.startswith("rl-tgi-")
    assert len(pair.name) <= 63
    policy = named(tgi, "NetworkPolicy", "rl-tgi")["spec"]["podSelector"]["matchLabels"]
    assert policy.items() <= pair.deployment["spec"]["template"]["metadata"]["labels"].items()


def test_servers_see_the_folders_that_the_gateway_and_the_trainer_name(tgi: list[Object]) -> None:
    told = accepted(tgi)
    (server,) = [pod for pod in _made(tgi) if pod["spec"]["containers"][0]["name"] == "tgi"]
    mounts = {one["mountPath"]: one for one in server["spec"]["containers"][0]["volumeMounts"]}
    assert mounts[str(told["rl-trainer"].runs)]["readOnly"] is True
    assert told["rl-policy"].engine.model_path.startswith("/models/")
    assert "/models" in mounts


def _made(objects: list[Object]) -> list[Object]:
    return [pod for pod in pods(objects) if pod["metadata"]["labels"].get("farfield.dev/kind") == "tgi"]


def test_the_gateway_sends_no_more_than_servers_take(tgi: list[Object]) -> None:
    (server,) = _made(tgi)
    taken = int(flags(server["spec"]["containers"][0]["args"])["payload-limit"])
    assert engine(tgi).payload_limit == taken


def test_servers_go_with_the_deployment_that_made_them(tgi: list[Object]) -> None:
    assert engine(tgi).weights.owner == "rl-policy"
    assert named(tgi, "Deployment", "rl-policy")["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("name", ["tgi", "vllm"])
def test_a_server_of_ones_own_is_all_that_is_used(helm: str, name: str) -> None:
    words = f"policy.engine={name},policy.replicas=1,{name}.url=http://mine:8080,{name}.tokenSecret=token"
    objects = template(helm, DEMO, "--set", words)
    assert engine(objects).url == "http://mine:8080"
    assert list(containers(objects)) == ["policy"]
    variables = {one["name"]: one for one in containers(objects)["policy"]["env"]}
    secret = variables["FARFIELD_POLICY__ENGINE__TOKEN"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": "token", "key": "token"}
    assert not [one for one in objects if one["metadata"]["name"] == "rl-tgi"]


# vLLM


def test_gateway_and_server_of_a_pod_agree(vllm: list[Object]) -> None:
    server, told = containers(vllm)["vllm"], engine(vllm)
    said = flags(server["args"])
    assert told.url == f"http://{said['host']}:{said['port']}"
    assert told.model == said["served-model-name"]
    assert server["command"] == ["vllm", "serve", "/models/base"]
    assert told.tokenizer == "/models/base"


def test_the_server_hears_its_own_pod_alone_and_may_be_given_weights(vllm: list[Object]) -> None:
    server = containers(vllm)["vllm"]
    assert flags(server["args"])["host"] == "127.0.0.1"
    assert "ports" not in server
    variables = {one["name"]: one["value"] for one in server["env"]}
    assert variables["VLLM_SERVER_DEV_MODE"] == "1"


def test_tokens_are_drawn_by_the_logprobs_that_are_reported(vllm: list[Object]) -> None:
    assert flags(containers(vllm)["vllm"]["args"])["logprobs-mode"] == "processed_logprobs"


def test_the_server_uses_the_gpus_that_it_declares(vllm: list[Object]) -> None:
    server = containers(vllm)["vllm"]
    assert flags(server["args"])["tensor-parallel-size"] == "2"
    assert server["resources"]["limits"]["nvidia.com/gpu"] == 2


def test_both_read_downloaded_weights_and_the_gateway_alone_writes_them(vllm: list[Object]) -> None:
    cache = str(accepted(vllm)["rl-policy"].weights_cache)
    mounts = {
        name: {one["mountPath"]: one["readOnly"] for one in container["volumeMounts"] if "readOnly" in one}
        for name, container in containers(vllm).items()
    }
    assert (mounts["policy"][cache], mounts["vllm"][cache]) == (False, True)


def test_a_gateway_waits_for_its_server(vllm: list[Object]) -> None:
    probe = containers(vllm)["policy"]["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] > engine(vllm).start_seconds


def test_adapters_are_taken_where_asked_for(helm: str) -> None:
    objects = template(helm, VLLM, "--set", "vllm.lora.maxRank=16")
    assert flags(containers(objects)["vllm"]["args"])["max-lora-rank"] == "16"
    without = template(helm, VLLM, "--set", "vllm.lora.enabled=false")
    assert "enable-lora" not in flags(containers(without)["vllm"]["args"])


# Weights through an object store


def test_trainer_and_policy_share_no_volume_where_there_is_a_store(vllm: list[Object]) -> None:
    told = accepted(vllm)
    assert told["rl-trainer"].weights == "s3://farfield/weights"
    pods = [
        named(vllm, kind, name)["spec"]["template"]["spec"]
        for kind, name in (("Deployment", "rl-policy"), ("StatefulSet", "rl-trainer"))
    ]
    assert [claims(pod) for pod in pods] == [{"models"}, {"models", "rl-runs"}]
    for pod in pods:
        assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "object-store"}}]


def claims(pod: Any) -> set[str]:
    volumes = [one["persistentVolumeClaim"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
    return {one["claimName"] for one in volumes}
