"""What cannot work is refused, in words that name the value and the cure."""

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CHART, DEMO, run

FSDP = CHART / "ci" / "gpu-fsdp-values.yaml"
TGI = CHART / "ci" / "gpu-tgi-values.yaml"
VLLM = CHART / "ci" / "gpu-vllm-values.yaml"


def refusal(helm: str, values: Path, *words: str) -> str:
    done = run(helm, "template", "rl", str(CHART), "--values", str(values), *words)
    assert done.returncode != 0
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("policy.replcas=3", "replcas"),
        ("environments[0].name=a,environments[0].imgae.tag=1", "imgae"),
        ("common.probes.period=3", "period"),
        ("trainer.autoscaling.enabled=true", "autoscaling"),
        ("trainer.replicas=0", "replicas"),
        ("trainer.device=tpu", "device"),
        ("tgi.url=tgi:8080", "url"),
        ("vllm.logprobsMode=some", "logprobsMode"),
        ("lane=my lane", "lane"),
        ("redis.mode=sentinel", "mode"),
        ("common.port=high", "port"),
        ("environments[0].name=Upper,environments[0].image.repository=x", "name"),
    ],
)
def test_a_key_or_value_that_is_not_known_is_refused(each_helm: str, given: str, told: str) -> None:
    said = refusal(each_helm, DEMO, "--set", given)
    assert "schema" in said
    assert told in said


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("model.path=", "model.path is empty, and policy.engine torch serves it: name a folder"),
        ("policy.engine=sglang", "policy.engine is sglang; it is one of torch, tgi, vllm"),
        ("redis.mode=external", "redis.existingSecret is empty: where redis.mode is external, name a Secret"),
        ("defaults.verifier=none", "no entry of verifiers is named none; there are: rewards"),
        ("policy.enabled=false", "workers need a policy"),
        (
            "environments=null,verifiers=null,policy.enabled=false,rollout.enabled=false,trainer.enabled=false",
            "nothing to run",
        ),
        ("verifiers=null,discovery.enabled=false", "an entry in environments and one in verifiers"),
        ("policy.config.server.port=1", "config.server.port is the chart's: set port"),
        ("rollout.config.server.token=a", "config.server.token is the chart's"),
        ("common.resources=null,rollout.autoscaling.enabled=true", "resources.requests.cpu"),
        (
            "rollout.autoscaling.enabled=true,rollout.keda.enabled=true",
            "autoscaling.enabled and keda.enabled are both true",
        ),
        (
            "environments[0].name=a,environments[0].image.repository=x,environments[0].contract=v2",
            "environment a: contract is v2, and this chart knows v1; take an image that speaks v1",
        ),
        (
            "trainer.replicas=2",
            "replicas 2 × processes 1 are 2 ranks, and the pods declare 2 × 0 GPUs; set "
            "trainer.resources.limits.nvidia.com/gpu to 1, or trainer.device to cpu",
        ),
        (
            "trainer.device=cuda",
            "trainer.device is cuda, and trainer.resources.limits declare no nvidia.com/gpu",
        ),
        ("monitoring.serviceMonitor.enabled=true", "podMonitor.enabled and serviceMonitor.enabled are both"),
        ("tls.enabled=true,tls.certManager.enabled=true", "tls.certManager.issuerRef is empty"),
        (
            "tls.enabled=true,tls.certManager.enabled=true,tls.existingSecret=mine",
            "tls.existingSecret is mine, and tls.certManager.enabled is true",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_cure(each_helm: str, given: str, told: str) -> None:
    assert told in refusal(each_helm, DEMO, "--set", given)


@pytest.mark.parametrize(
    ("values", "given", "told"),
    [
        (TGI, "model.path=", "model.path is empty, and policy.engine tgi serves it"),
        (TGI, "model.path=,tgi.url=http://mine:8080", "tgi.tokenizer is empty, and model.path too"),
        (TGI, "policy.replicas=2", "one gateway makes the servers of tgi"),
        (TGI, "policy.strategy.type=RollingUpdate", "policy.strategy.type is RollingUpdate"),
        (TGI, "weights.store=s3://a/b", "weights.store is s3://a/b, which the servers of tgi cannot read"),
        (VLLM, "model.path=", "model.path is empty, and policy.engine vllm serves it"),
        (VLLM, "model.path=,vllm.url=http://mine:8000", "vllm.tokenizer is empty, and model.path too"),
        (
            FSDP,
            "trainer.processes=9",
            "replicas 2 × processes 9 are 18 ranks, and the pods declare 2 × 8 GPUs",
        ),
    ],
)
def test_an_engine_or_trainer_that_cannot_work_is_refused(
    each_helm: str, values: Path, given: str, told: str
) -> None:
    assert told in refusal(each_helm, values, "--set", given)


def test_an_autoscaled_gateway_is_refused(each_helm: str) -> None:
    given = "policy.autoscaling.enabled=true,policy.autoscaling.maxReplicas=2"
    assert "one gateway makes the servers of tgi" in refusal(each_helm, TGI, "--set", given)


def test_a_plugin_whose_token_no_variable_can_carry_is_refused(each_helm: str) -> None:
    entries = [{"name": "games", "plugins": ["My.Game"], "image": {"repository": "x"}}]
    words = ("--set-json", f"environments={json.dumps(entries)}")
    said = refusal(each_helm, DEMO, *words, "--set", "auth.enabled=true,discovery.enabled=false")
    assert "no variable can carry the token of the environment My.Game" in said


def test_an_entry_without_an_image_is_refused(each_helm: str) -> None:
    said = refusal(each_helm, DEMO, "--set-json", 'environments=[{"name": "mine"}]')
    assert "environments: mine has no image; set image.repository" in said


@pytest.mark.parametrize("twice", ["name", "plugin"])
def test_entries_that_cannot_be_told_apart_are_refused(each_helm: str, tmp_path: Path, twice: str) -> None:
    image = {"repository": "x"}
    other = (
        {"name": "a", "image": image} if twice == "name" else {"name": "b", "image": image, "plugins": ["a"]}
    )
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"environments": [{"name": "a", "image": image}, other]}))
    assert "two entries" in refusal(each_helm, DEMO, "--values", str(file))
