"""Options of plugins as people type them."""

from typing import Any

import yaml

from farfield_kernel.errors import InvalidArgument


def pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE, the value read as YAML: 5 is a number, true a truth."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidArgument(f"{text!r}: write KEY=VALUE")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[key] = value
    return found
