"""What a request of the API is about: its path, its query and its body."""

import json
from dataclasses import dataclass
from typing import Any

import yaml
from aiohttp import web

from tests.cluster import protobuf
from tests.cluster.errors import NotFound, Refused
from tests.cluster.resources import BY_PATH, Resource

Object = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """`namespace` is empty for all of them, `name` for a collection."""

    resource: Resource
    namespace: str
    name: str
    subresource: str


def target(path: str) -> Target:
    """Raises NotFound for what the simulator does not know."""
    words = path.strip("/").split("/")
    group, words = ("", words[1:]) if words[0] == "api" else ("/".join(words[1:2]), words[2:])
    version, words = "/".join(words[:1]), words[1:]
    namespace = ""
    if words[:1] == ["namespaces"] and len(words) > 2 and words[2] not in ("status", "finalize"):
        namespace, words = words[1], words[2:]
    plural, name, subresource = (*words, "", "", "")[:3]
    resource = BY_PATH.get((group, version, plural))
    if resource is None or len(words) > 3:
        raise NotFound("the server could not find the requested resource")
    if subresource and subresource not in resource.subresources:
        raise NotFound(f"the simulator knows no {subresource} of {plural}")
    return Target(resource, namespace, name, subresource)


def content_type(request: web.Request) -> str:
    return request.headers.get("Content-Type", "application/json").partition(";")[0]


async def body(request: web.Request) -> Any:
    """Raises BadRequest."""
    data = await request.read()
    if not data:
        return {}
    if content_type(request) == "application/vnd.kubernetes.protobuf":
        return protobuf.parse(data)
    try:
        return yaml.safe_load(data) if "yaml" in content_type(request) else json.loads(data)
    except ValueError as error:
        raise Refused(f"the body is no JSON: {error}") from error


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in ("true", "True", "1", "All")
