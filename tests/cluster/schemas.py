"""Kubernetes' own schemas, strictly. The library reads megabytes of files for each object; here once."""

from functools import cache

import kubernetes_validate
from kubernetes_validate import utils
from kubernetes_validate.utils import SchemaNotFoundError, ValidationError

__all__ = ["SchemaNotFoundError", "ValidationError", "validate"]

utils.schema_contents = cache(utils.schema_contents)
utils.all_versions = cache(utils.all_versions)


def validate(one: dict, version: str) -> None:
    """Raises ValidationError or SchemaNotFoundError."""
    kubernetes_validate.validate(one, version, strict=True)
