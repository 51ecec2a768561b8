"""The Deployment and the Service of one version of the weights, from a template file.

In the template's strings `__MODEL__` stands for the folder of the weights and `__VERSION__` for the version's
name. What keeps versions apart (names, labels, selectors) and what a restarted gateway recognizes them by is
written into the objects here, whatever the template says of it.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from farfield_kernel.cluster.api import Object
from farfield_kernel.errors import FailedPrecondition
from farfield_policy.engine import Version

MODEL, VERSION = "__MODEL__", "__VERSION__"
KIND_LABEL, WEIGHTS_LABEL = "farfield.dev/kind", "farfield.dev/weights"
ROLLOUT_LABEL = "farfield.dev/rollout"
"""Of everything that one gateway has made: its name prefix."""
RELEASE_ANNOTATION = "farfield.dev/release"
"""JSON: the weights that an object serves."""


@dataclass(frozen=True, slots=True)
class Release:
    """Weights, and the folder that they are served from."""

    path: str
    weights: Version

    def to_json(self) -> str:
        weights = self.weights
        return json.dumps(
            {"path": self.path, "run": weights.run_id, "version": weights.version, "digest": weights.digest}
        )

    @classmethod
    def of(cls, one: Object) -> "Release | None":
        """What an object says that it serves; None for one that does not say it."""
        try:
            said = json.loads(one["metadata"]["annotations"][RELEASE_ANNOTATION])
            return cls(
                str(said["path"]), Version(str(said["run"]), int(said["version"]), str(said["digest"]))
            )
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Pair:
    """What is created for one release. Both objects have its name."""

    name: str
    deployment: Object
    service: Object


class Template:
    """A template file under the name prefix of one gateway."""

    def __init__(self, file: Path, prefix: str) -> None:
        """FailedPrecondition for a file that cannot be a template."""
        self.prefix = prefix
        self._text = _read(file)
        self._deployment, self._service = _parsed(self._text, file)

    def name(self, release: Release) -> str:
        """The same for the same release and template, and a DNS label."""
        return f"{self.prefix}-{self._suffix(release)}"

    def render(self, release: Release, owner: Object | None = None) -> Pair:
        """The objects of a release. With `owner` they go when it goes."""
        name, suffix = self.name(release), self._suffix(release)
        deployment, service = (
            _filled(copy.deepcopy(one), {MODEL: release.path, VERSION: suffix})
            for one in (self._deployment, self._service)
        )
        for one in (deployment, service):
            meta = one.setdefault("metadata", {})
            meta["name"] = name
            meta["labels"] = {**(meta.get("labels") or {}), **self._labels(suffix)}
            meta["annotations"] = {**(meta.get("annotations") or {}), RELEASE_ANNOTATION: release.to_json()}
            if owner is not None:
                meta["ownerReferences"] = [_reference(owner)]
        _bind(deployment, service, {WEIGHTS_LABEL: suffix, ROLLOUT_LABEL: self.prefix})
        return Pair(name, deployment, service)

    def _labels(self, suffix: str) -> dict[str, str]:
        return {KIND_LABEL: "tgi", WEIGHTS_LABEL: suffix, ROLLOUT_LABEL: self.prefix}

    def _suffix(self, release: Release) -> str:
        told = f"{release.to_json()}\n{self._text}"
        return f"v{release.weights.version}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise FailedPrecondition(f"engine.weights.template cannot be read: {error}") from error


def _parsed(text: str, file: Path) -> tuple[Object, Object]:
    try:
        found = [one for one in yaml.safe_load_all(text) if one]
    except yaml.YAMLError as error:
        raise FailedPrecondition(f"{file} is not YAML: {error}") from error
    kinds = sorted(one.get("kind", "?") if isinstance(one, dict) else "?" for one in found)
    if kinds != ["Deployment", "Service"]:
        listed = ", ".join(kinds) or "nothing"
        raise FailedPrecondition(f"{file} must hold one Deployment and one Service; it holds {listed}")
    deployment, service = sorted(found, key=lambda one: str(one["kind"]))
    if MODEL not in json.dumps(deployment):
        raise FailedPrecondition(
            f"the Deployment in {file} never says {MODEL}, so that every version would serve the same model; "
            f'write e.g. args: ["--model-id", "{MODEL}"]'
        )
    if not (service.get("spec") or {}).get("ports"):
        raise FailedPrecondition(f"the Service in {file} has no port; give it the server's")
    return deployment, service


def _filled(value: Any, words: dict[str, str]) -> Any:
    """Words replaced in every string, so that no path can change the structure."""
    if isinstance(value, dict):
        return {_filled(key, words): _filled(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, words) for one in value]
    if isinstance(value, str):
        for word, meant in words.items():
            value = value.replace(word, meant)
    return value


def _bind(deployment: Object, service: Object, own: dict[str, str]) -> None:
    """The Deployment and the Service select the pods of their version, and no others."""
    spec = deployment.setdefault("spec", {})
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **own}
    meta = spec.setdefault("template", {}).setdefault("metadata", {})
    meta["labels"] = {**(meta.get("labels") or {}), **selector["matchLabels"]}
    service["spec"]["selector"] = {**(service["spec"].get("selector") or {}), **own}


def _reference(owner: Object) -> Object:
    meta = owner["metadata"]
    return {
        "apiVersion": owner.get("apiVersion", "apps/v1"),
        "kind": owner.get("kind", "Deployment"),
        "name": meta["name"],
        "uid": meta["uid"],
    }
