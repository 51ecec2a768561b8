"""What an environment says of itself."""

from farfield_conformance import schemas
from farfield_conformance.check import Failed, Level, Skipped, environment_check, expect
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_sdk import Environment

_MODALITIES = {"text", "image"}


@environment_check(Level.STATIC)
def is_hosted(subject: EnvironmentSubject) -> str:
    """The service hosts the environment under its name.

    Look at the error that it shows as broken: an import that fails, a class attribute that is missing, or a
    name that differs from its entry point.
    """
    answer = subject.describe()
    return schemas.expect_hosted(subject.name, answer.environments, answer.broken)


@environment_check(Level.STATIC)
def describes_itself(subject: EnvironmentSubject) -> None:
    """It has a semantic version, a summary of one line, a known executor and modalities, and the service
    tells its limits.

    Set `name`, `version` ("1.0.0"), `executor` and `modalities` on the class; its docstring's first line is
    the summary.
    """
    info, answer = subject.info, subject.describe()
    schemas.expect_identity(info.name, info.version, info.summary, info.executor)
    known = info.modalities and set(info.modalities) <= _MODALITIES
    expect(bool(known), f"the modalities are {list(info.modalities)}, not some of text and image")
    expect(
        answer.max_sessions > 0 and answer.lease_seconds > 0,
        f"max_sessions is {answer.max_sessions} and lease_seconds {answer.lease_seconds}",
    )


@environment_check(Level.STATIC)
def options_have_a_schema(subject: EnvironmentSubject) -> str:
    """Options are published as a JSON schema that refuses unknown keys, and its defaults validate.

    Derive the options from `farfield_sdk.Options`, and give each a default that its own type accepts.
    """
    schema = schemas.schema_of(subject.info.options_schema_json)
    defaults = schemas.defaults_of(schema)
    required = set(schema.get("required", []))
    if not required:
        schemas.expect_valid(defaults, schema, "the defaults")
    return f"{len(schema.get('properties', {}))} options"


@environment_check(Level.STATIC)
def class_loads(subject: EnvironmentSubject) -> None:
    """The entry point gives a subclass of `Environment`, and its options are frozen and closed.

    Correct the entry point in pyproject.toml, install again, and derive the options from
    `farfield_sdk.Options` without loosening them.
    """
    if subject.plugin_error:
        raise Failed(subject.plugin_error)
    if subject.plugin is None:
        raise Skipped("for Python plugins that are installed here")
    expect(issubclass(subject.plugin, Environment), f"{subject.plugin!r} is no Environment")
    schemas.expect_closed(subject.plugin.Options)
