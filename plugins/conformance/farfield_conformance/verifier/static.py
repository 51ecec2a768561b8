"""What a verifier says of itself."""

from farfield_conformance import schemas
from farfield_conformance.check import Failed, Level, Skipped, expect, verifier_check
from farfield_conformance.codes import called, expect_code, short
from farfield_conformance.verifier.subject import VerifierSubject
from farfield_sdk import Verifier


@verifier_check(Level.STATIC)
def is_hosted(subject: VerifierSubject) -> str:
    """The service hosts the verifier under its name.

    Look at the error that it shows as broken: an import that fails, a class attribute that is missing, or a
    name that differs from its entry point.
    """
    answer = subject.describe()
    return schemas.expect_hosted(subject.name, answer.verifiers, answer.broken)


@verifier_check(Level.STATIC)
def describes_itself(subject: VerifierSubject) -> None:
    """It has a semantic version, a summary of one line and a known executor.

    Set `name`, `version` ("1.0.0") and `executor` on the class; its docstring's first line is the summary.
    """
    info = subject.info
    schemas.expect_identity(info.name, info.version, info.summary, info.executor)


@verifier_check(Level.STATIC)
def options_have_a_schema(subject: VerifierSubject) -> str:
    """Options are published as a JSON schema that refuses unknown keys, and its defaults validate and are
    taken.

    Derive the options from `farfield_sdk.Options`, and give each a default that its own type accepts.
    """
    schema = schemas.schema_of(subject.info.options_schema_json)
    defaults = schemas.defaults_of(schema)
    if not schema.get("required"):
        schemas.expect_valid(defaults, schema, "the defaults")
        found = called(lambda: subject.results([], subject.plan(**defaults)))
        expect_code(found, "OK", f"a plan with the defaults {short(defaults)}")
    return f"{len(schema.get('properties', {}))} options"


@verifier_check(Level.STATIC)
def unknown_options_are_refused(subject: VerifierSubject) -> None:
    """An option that does not exist is INVALID_ARGUMENT, and the message names it.

    Derive the options from `farfield_sdk.Options`, which forbids unknown keys.
    """
    _ = subject.info
    plan = subject.plan(**{schemas.UNKNOWN_OPTION: 1})
    code, said = called(lambda: subject.results([], plan))
    expect_code((code, said), "INVALID_ARGUMENT", "an option that does not exist")
    expect(schemas.UNKNOWN_OPTION in said, f"the message does not name the option: {short(said)!r}")


@verifier_check(Level.STATIC)
def class_loads(subject: VerifierSubject) -> None:
    """The entry point gives a subclass of `Verifier`, and its options are frozen and closed.

    Correct the entry point in pyproject.toml, install again, and derive the options from
    `farfield_sdk.Options` without loosening them.
    """
    if subject.plugin_error:
        raise Failed(subject.plugin_error)
    if subject.plugin is None:
        raise Skipped("for Python plugins that are installed here")
    expect(issubclass(subject.plugin, Verifier), f"{subject.plugin!r} is no Verifier")
    schemas.expect_closed(subject.plugin.Options)
