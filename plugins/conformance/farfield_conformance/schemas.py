"""What both kinds of plugin say of themselves and of their options."""

import json
import re
from collections.abc import Iterable
from typing import Any

import jsonschema

from farfield_conformance.check import Failed, expect
from farfield_conformance.codes import short
from farfield_sdk import Options

SEMANTIC = re.compile(r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$")
EXECUTORS = ("", "inline", "async", "thread", "process")
UNKNOWN_OPTION = "no_such_option"


def expect_hosted(name: str, infos: Iterable[Any], broken: Iterable[Any]) -> str:
    """That one of the `infos` of a description is the plugin's, and what it says in a line."""
    errors = {one.name: one.error for one in broken}
    if name in errors:
        raise Failed(f"'{name}' is installed but broken: {errors[name]}")
    hosted = {one.name: one for one in infos}
    expect(name in hosted, f"hosted: {', '.join(hosted) or 'none'}")
    one = hosted[name]
    return f"{one.name} {one.version}, {one.distribution}, runs {one.executor or 'as it likes'}"


def expect_identity(name: str, version: str, summary: str, executor: str) -> None:
    expect(bool(SEMANTIC.match(version)), f"{name}: the version is {version!r}")
    expect(bool(summary.strip()), f"{name}: the summary is empty")
    expect(executor in EXECUTORS, f"{name}: the executor is {executor!r}")


def schema_of(text: str) -> dict[str, Any]:
    """The options' schema, if it is one."""
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise Failed(f"options_schema_json is not JSON: {error}; it is {short(text)!r}") from None
    expect(isinstance(schema, dict), f"options_schema_json holds {short(schema)}, not an object")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise Failed(f"options_schema_json is no JSON schema: {error.message}") from None
    expect(schema.get("type") == "object", f"the schema's type is {schema.get('type')!r}, not 'object'")
    closed = schema.get("additionalProperties") is False
    expect(closed, "the schema lets unknown options pass: additionalProperties is not false")
    return dict(schema)


def defaults_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The default of every option that has one."""
    properties = schema.get("properties", {})
    return {name: one["default"] for name, one in properties.items() if "default" in one}


def expect_valid(values: dict[str, Any], schema: dict[str, Any], what: str) -> None:
    for error in jsonschema.Draft202012Validator(schema).iter_errors(values):
        raise Failed(f"{what} do not validate: {'.'.join(map(str, error.path))}: {error.message}")


def expect_closed(options: type[Options]) -> None:
    """That a class of options is frozen, and knows its keys."""
    expect(issubclass(options, Options), f"{options.__name__} is no subclass of farfield_sdk.Options")
    config = options.model_config
    expect(bool(config.get("frozen")), f"{options.__name__} is not frozen")
    expect(config.get("extra") == "forbid", f"{options.__name__} has extra={config.get('extra')!r}")
