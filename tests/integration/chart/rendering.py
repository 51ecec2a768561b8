"""The chart as Helm renders it, and a stand-in for the one question that a render asks of a cluster."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "farfield"
DEMO = CHART / "ci" / "cpu-demo-values.yaml"
CI = sorted(CHART.glob("ci/*-values.yaml"))
NAMESPACE = "train"
NO_HELM = pytest.mark.skip(reason="no helm: put one on PATH, name it in HELM, or `make chart-tools`")
OWNER = {"meta.helm.sh/release-name": "rl", "meta.helm.sh/release-namespace": NAMESPACE}
WORKLOADS = ("Deployment", "StatefulSet")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast where libyaml is

Object = dict[str, Any]


def helms() -> list[str]:
    """The binaries to test with: those that HELM names, else what is on PATH or was fetched by make."""
    named = os.environ.get("HELM", "").split()
    fetched = [str(path) for path in sorted((ROOT / ".helm").glob("helm?"))]
    return named or fetched or [found for found in [shutil.which("helm")] if found]


def run(helm: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": os.devnull}
    return subprocess.run([helm, *words], capture_output=True, text=True, env=environment, check=False)


def template(helm: str, values: Path, *words: str) -> list[Object]:
    words = ("template", "rl", str(CHART), "--namespace", NAMESPACE, "--values", str(values), *words)
    done = run(helm, *words)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, LOADER) if found]


@cache
def rendered(helm: str, values: Path, *words: str) -> list[Object]:
    """Shared by tests, which only read it."""
    return template(helm, values, *words)


def strict_schemas() -> ModuleType:
    """`validate` of objects; skips the test where the library is not."""
    pytest.importorskip("kubernetes_validate", reason="strict schemas: make chart-needs")
    from tests.cluster import schemas

    return schemas


def of(objects: list[Object], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    return next(one for one in of(objects, kind) if one["metadata"]["name"] == name)


def made(objects: list[Object]) -> list[Object]:
    """What the policy will make of the chart's template, for the version 7 of the weights."""
    texts = [
        one["data"]["template.yaml"] for one in of(objects, "ConfigMap") if "template.yaml" in one["data"]
    ]
    filled = [text.replace("__VERSION__", "7").replace("__MODEL__", "/runs/first/7") for text in texts]
    return [one for text in filled for one in yaml.load_all(text, LOADER)]


def pods(objects: list[Object]) -> list[Object]:
    """Pod templates of the workloads, with the labels that their pods will have; and the pods of hooks."""
    return [_pod(one) for one in of(objects + made(objects), *WORKLOADS)] + of(objects, "Pod")


def _pod(workload: Object) -> Object:
    pod = workload["spec"]["template"]
    if workload["kind"] != "StatefulSet":
        return pod
    own = {"statefulset.kubernetes.io/pod-name": f"{workload['metadata']['name']}-0"}
    return {**pod, "metadata": {**pod["metadata"], "labels": {**labels(pod), **own}}}


def labels(one: Object) -> dict[str, str]:
    return one["metadata"]["labels"]


def selected(objects: list[Object], wanted: dict[str, str]) -> list[Object]:
    return [pod for pod in pods(objects) if wanted.items() <= labels(pod).items()]


def config(objects: list[Object], name: str) -> dict[str, Any]:
    return yaml.safe_load(named(objects, "ConfigMap", name)["data"]["config.yaml"])


@contextmanager
def cluster_with(kept: list[Object], objects: list[Object]) -> Iterator[str]:
    """A server that answers as a cluster does that knows the kinds of `objects`, and holds `kept` alone, as
    Helm has installed them; yields its address."""
    answers = _discovery({(one["apiVersion"], one["kind"]) for one in objects})
    for one in kept:
        one["metadata"]["annotations"] = OWNER
        answers[f"/api/v1/namespaces/{NAMESPACE}/{_plural(one['kind'])}/{one['metadata']['name']}"] = one
    missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            body = json.dumps(answer or missing).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _discovery(kinds: set[tuple[str, str]]) -> dict[str, Object]:
    answers: dict[str, Object] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    }
    for version in {version for version, _ in kinds}:
        known = [_resource(kind) for other, kind in kinds if other == version]
        group, _, short = version.rpartition("/")
        path = f"/apis/{version}" if group else f"/api/{version}"
        answers[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": known}
        if group:
            named_so = {"groupVersion": version, "version": short}
            found = {"name": group, "versions": [named_so], "preferredVersion": named_so}
            answers["/apis"]["groups"].append(found)
    return answers


def _resource(kind: str) -> Object:
    verbs = ["get", "list", "create", "patch", "delete"]
    return {
        "name": _plural(kind),
        "singularName": kind.lower(),
        "namespaced": True,
        "kind": kind,
        "verbs": verbs,
    }


def _plural(kind: str) -> str:
    return f"{kind.lower().removesuffix('y')}{'ies' if kind.endswith('y') else 's'}"
