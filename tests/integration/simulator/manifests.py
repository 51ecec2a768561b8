"""Objects that tests put into a cluster."""

from typing import Any

Object = dict[str, Any]


def deployment(name: str = "game", replicas: int = 2, image: str = "game:1", **annotations: str) -> Object:
    labels = {"app": name}
    container = {"name": "game", "image": image, "ports": [{"name": "grpc", "containerPort": 50051}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"farfield.dev/kind": "environment"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [container]},
            },
        },
    }


def service(name: str = "game", **labels: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"farfield.dev/kind": "environment", **labels}},
        "spec": {
            "clusterIP": "None",
            "selector": {"app": name},
            "ports": [{"name": "grpc", "port": 50051, "targetPort": "grpc"}],
        },
    }
