"""What is created for a version of the weights."""

import copy
import re
from pathlib import Path

import pytest

from farfield_kernel.errors import FailedPrecondition
from farfield_policy.engine import Version
from farfield_policy.tgi.template import Release, Template

TEMPLATE = """
apiVersion: apps/v1
kind: Deployment
metadata:
  labels: {app: tgi}
spec:
  replicas: 1
  selector: {matchLabels: {app: tgi}}
  template:
    metadata: {labels: {app: tgi}}
    spec:
      containers:
      - {name: tgi, image: tgi, args: [--model-id, __MODEL__], env: [{name: WEIGHTS, value: __VERSION__}]}
---
apiVersion: v1
kind: Service
metadata: {name: tgi}
spec: {selector: {app: tgi}, ports: [{name: http, port: 8080}]}
"""
RELEASE = Release("/runs/one/40", Version("Run ONE/ü", 40, "abc"))


@pytest.fixture
def template(tmp_path: Path) -> Template:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return Template(tmp_path / "template.yaml", "rl-tgi")


def test_the_model_and_the_name_are_filled_in(template: Template) -> None:
    pair = template.render(RELEASE)
    [container] = pair.deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["--model-id", "/runs/one/40"]
    assert pair.name == f"rl-tgi-{container['env'][0]['value']}"
    assert pair.deployment["metadata"]["name"] == pair.service["metadata"]["name"] == pair.name
    assert re.fullmatch(r"rl-tgi-v40-[0-9a-f]{8}", pair.name)


def test_a_version_selects_its_own_pods(template: Template) -> None:
    pair = template.render(RELEASE)
    pods = pair.deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (pair.deployment["spec"]["selector"]["matchLabels"], pair.service["spec"]["selector"]):
        assert selector.items() <= pods.items()
        assert selector["farfield.dev/weights"] == pair.name.removeprefix("rl-tgi-")
    assert pods["app"] == "tgi"
    assert pair.service["metadata"]["labels"]["farfield.dev/kind"] == "tgi"


def test_an_object_says_which_weights_it_serves(template: Template) -> None:
    pair = template.render(RELEASE)
    assert Release.of(pair.deployment) == Release.of(pair.service) == RELEASE
    broken = copy.deepcopy(pair.service)
    broken["metadata"]["annotations"]["farfield.dev/release"] = '{"path": 1'
    assert Release.of(broken) is None
    assert Release.of({"metadata": {}}) is None


def test_a_name_is_that_of_its_weights_and_its_template(template: Template, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(TEMPLATE.replace("image: tgi", "image: tgi:2"))
    names = {
        template.name(RELEASE),
        template.name(Release("/runs/one/40", Version("another", 40, "abc"))),
        template.name(Release("/runs/two/40", RELEASE.weights)),
        Template(tmp_path / "other.yaml", "rl-tgi").name(RELEASE),
    }
    assert len(names) == 4
    assert template.render(RELEASE) == template.render(RELEASE)


def test_no_path_changes_what_is_created(template: Template) -> None:
    path = '/runs/"], command: [evil'
    pair = template.render(Release(path, Version("r", 1)))
    assert pair.deployment["spec"]["template"]["spec"]["containers"][0]["args"] == ["--model-id", path]


def test_objects_go_with_their_owner(template: Template) -> None:
    owner = {"metadata": {"name": "gateway", "uid": "1-2"}}
    for one in (template.render(RELEASE, owner).deployment, template.render(RELEASE, owner).service):
        [reference] = one["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["name"], reference["uid"]) == ("Deployment", "gateway", "1-2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEMPLATE.partition("---")[0], "must hold one Deployment and one Service; it holds Deployment"),
        (TEMPLATE.replace("__MODEL__", "tiny"), "never says __MODEL__"),
        (TEMPLATE.replace(", ports: [{name: http, port: 8080}]", ""), "has no port"),
        ("a: [", "is not YAML"),
        ("", "it holds nothing"),
        ("- a", "it holds \\?"),
    ],
)
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "template.yaml").write_text(text)
    with pytest.raises(FailedPrecondition, match=says):
        Template(tmp_path / "template.yaml", "tgi")


def test_a_template_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"weights\.template cannot be read"):
        Template(tmp_path / "none.yaml", "tgi")
