"""What an environment says of itself."""

import hashlib

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_conformance import schemas
from farfield_conformance.check import Failed, Level, Skipped, environment_check, expect
from farfield_conformance.codes import called, expect_code, short
from farfield_conformance.environment.episode import images_of
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import plain
from farfield_sdk import Environment

_ROLES = ("id", "ood", "other")
_MODALITIES = {"text", "image"}


@environment_check(Level.STATIC)
def is_hosted(subject: EnvironmentSubject) -> str:
    """The service hosts the environment under its name.

    Look at the error that it shows as broken: an import that fails, a class attribute that is missing, or a
    name that differs from its entry point.
    """
    answer = subject.describe()
    broken = {one.name: one.error for one in answer.broken}
    if subject.name in broken:
        raise Failed(f"'{subject.name}' is installed but broken: {broken[subject.name]}")
    hosted = {one.name: one for one in answer.environments}
    expect(subject.name in hosted, f"hosted: {', '.join(hosted) or 'none'}")
    one = hosted[subject.name]
    return f"{one.name} {one.version}, {one.distribution}, runs {one.executor or 'as it likes'}"


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
def defaults_start(subject: EnvironmentSubject) -> None:
    """An episode starts with no options given, and with every default given.

    Give each option a default that validates in the plugin, or make it required and name a variant.
    """
    schema = schemas.schema_of(subject.info.options_schema_json)
    if schema.get("required"):
        raise Skipped(f"these options have no default: {', '.join(schema['required'])}")
    for given in ({}, schemas.defaults_of(schema)):
        ref = pb.EnvironmentRef(name=subject.name, options=subject.ref("", **given).options)
        found = called(lambda ref=ref: subject.start(0, ref=ref))  # type: ignore[misc]
        expect_code(found, "OK", f"an episode with the options {short(given)}")


@environment_check(Level.STATIC)
def unknown_options_are_refused(subject: EnvironmentSubject) -> None:
    """An option that does not exist is INVALID_ARGUMENT, and the message names it.

    Derive the options from `farfield_sdk.Options`, which forbids unknown keys; a typo must not be ignored.
    """
    _ = subject.info
    ref = subject.ref(None, **{schemas.UNKNOWN_OPTION: 1})
    code, said = called(lambda: subject.start(0, ref=ref))
    expect_code((code, said), "INVALID_ARGUMENT", "an option that does not exist")
    expect(schemas.UNKNOWN_OPTION in said, f"the message does not name the option: {short(said)!r}")


@environment_check(Level.STATIC)
def every_variant_starts(subject: EnvironmentSubject) -> str:
    """Each variant has a role (id, ood, other), a summary and options that validate, and its episodes start.

    Correct the variant's options; leave out a variant that needs files which may be absent.
    """
    info = subject.info
    schema = schemas.schema_of(info.options_schema_json)
    for variant in info.variants:
        what = f"variant '{variant.name}'"
        expect(variant.role in _ROLES, f"{what} has the role {variant.role!r}")
        expect(bool(variant.summary.strip()), f"{what} has no summary")
        required = set(schema.get("required", [])) - set(variant.options.fields)
        if not required:
            schemas.expect_valid(plain(variant.options), schema, f"the options of {what}")
        expect_code(called(lambda name=variant.name: subject.start(0, ref=subject.ref(name))), "OK", what)  # type: ignore[misc]
    if not info.variants:
        raise Skipped("it has no variants: generalization needs an id and an ood one")
    return ", ".join(f"{one.name} ({one.role})" for one in info.variants)


@environment_check(Level.STATIC)
def starts_are_conversations(subject: EnvironmentSubject) -> None:
    """An episode starts with messages whose last is the user's, made of the declared modalities, with facts
    that are a JSON object; each image has a media type and the digest of its bytes.

    Return `Start(Observation((user(…),)), facts)` from `reset`, and declare "image" where one is shown.
    """
    (episode,) = subject.start(0)
    messages = episode.started.observation.messages
    expect(bool(messages), "the first observation has no message")
    expect(messages[-1].role == types_pb2.ROLE_USER, "its last message is not the user's")
    expect(all(one.parts for one in messages), "it has a message without parts")
    _ = episode.facts
    images = images_of(episode.started.observation)
    declared = "image" in subject.info.modalities
    expect(declared or not images, "it shows an image, but declares text alone")
    for image in images:
        expect(image.media_type.startswith("image/"), f"an image has the media type {image.media_type!r}")
        same = not image.data or hashlib.sha256(image.data).hexdigest() == image.sha256
        expect(same, "the sha256 of an image is not that of its bytes")


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
