"""That episodes start: with the options that were given, by default, in each variant."""

import hashlib

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_conformance import schemas
from farfield_conformance.check import Level, Skipped, environment_check, expect
from farfield_conformance.codes import called, expect_code, short
from farfield_conformance.environment.episode import images_of
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import plain

_ROLES = ("id", "ood", "other")


@environment_check(Level.STATIC)
def an_episode_starts(subject: EnvironmentSubject) -> None:
    """With the variant and the options that were given, an episode starts.

    Give the options that it needs, `--option KEY=VALUE`; an error of the plugin's own is in the service's
    log.
    """
    _ = subject.info
    why = subject.why_not()
    expect(not why, why)


@environment_check(Level.STATIC)
def defaults_start(subject: EnvironmentSubject) -> None:
    """An episode starts with no options given (but those that the check was told), and with every default
    given.

    Give each option a default that validates in the plugin, or make it required and name a variant.
    """
    schema = schemas.schema_of(subject.info.options_schema_json)
    missing = set(schema.get("required", [])) - set(subject.options)
    if missing:
        raise Skipped(f"these options have no default: {', '.join(sorted(missing))}")
    for given in (subject.options, {**schemas.defaults_of(schema), **subject.options}):
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
        given = {**plain(variant.options), **subject.options}
        if missing := set(schema.get("required", [])) - set(given):
            raise Skipped(f"these options have no default: {', '.join(sorted(missing))}")
        schemas.expect_valid(given, schema, f"the options of {what}")
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
def references_are_resolved(subject: EnvironmentSubject) -> None:
    """`CreateSessions` tells the exact version and every option, and what it tells plays the same episode.

    Fill in the defaults and the variant's options before a session is made.
    """
    (episode,) = subject.start(1)
    exact = subject.create(subject.ref(), []).environment
    known = schemas.schema_of(subject.info.options_schema_json).get("properties", {})
    missing = set(known) - set(exact.options.fields)
    expect(exact.version == subject.info.version, f"the version is told as {exact.version!r}")
    expect(not missing, f"these options are not told: {', '.join(sorted(missing))}")
    (again,) = subject.start(1, ref=exact)
    expect(again.digest == episode.digest, "the reference that was told starts another episode")
