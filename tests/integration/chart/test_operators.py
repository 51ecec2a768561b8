"""Objects of operators (Prometheus, KEDA, cert-manager) are what their definitions know: read by a model of
each kind and written again, nothing is lost."""

import copy
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CHART, DEMO, Object, of, template

PODS = ("--set", "monitoring.rules.enabled=true")
ISSUED = ("--set", "tls.enabled=true,tls.certManager.enabled=true,tls.certManager.issuerRef.name=ours")
KINDS = {
    "PodMonitor": ("prometheus_operator.v1", DEMO, PODS),
    "PrometheusRule": ("prometheus_operator.v1", DEMO, PODS),
    "ServiceMonitor": ("prometheus_operator.v1", CHART / "ci" / "gpu-vllm-values.yaml", ()),
    "ScaledObject": ("keda.v1alpha1", CHART / "ci" / "gpu-vllm-values.yaml", ()),
    "Certificate": ("cert_manager.v1", DEMO, ISSUED),
}


def model_of(kind: str) -> Any:
    module = f"cloudcoil.models.{KINDS[kind][0]}"
    reason = f"no {module}: pip install -r tests/integration/chart/requirements.txt"
    pytest.importorskip(module, reason=reason)
    return getattr(import_module(module), kind)


def again(kind: str, one: Object) -> Object:
    return model_of(kind).model_validate(one).model_dump(mode="json", by_alias=True, exclude_unset=True)


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_reads_all_that_is_said(helm: str, kind: str) -> None:
    _, values, words = KINDS[kind]
    found = of(template(helm, values, *words), kind)
    assert found
    for one in found:
        assert again(kind, one) == one


def test_what_a_kind_does_not_know_would_be_lost(helm: str) -> None:
    _, values, words = KINDS["ScaledObject"]
    (one,) = of(template(helm, values, *words), "ScaledObject")
    wrong = copy.deepcopy(one)
    wrong["spec"]["minReplicas"] = 1
    assert again("ScaledObject", wrong) != wrong
