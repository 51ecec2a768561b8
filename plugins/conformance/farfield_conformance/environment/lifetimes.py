"""How long sessions and their images live."""

import time

import grpc

from farfield.environment.v1 import environment_pb2 as pb
from farfield_conformance.check import Failed, Level, Skipped, environment_check, expect
from farfield_conformance.codes import called, code_of, details_of, expect_code, named, retry_delays
from farfield_conformance.environment.episode import Episode, images_of
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import CALL_SECONDS

LEASE_SECONDS = 1.0
LONGEST_LEASE = 5.0
"""A running service with a longer one is not waited for."""
PATIENCE = 3


@environment_check(Level.WIRE)
def leases_end_and_are_renewed(subject: EnvironmentSubject) -> str:
    """A session lives while its lease is renewed, and is freed some time after the last call for it.

    Note the time of every call for a session, and free those that are late.
    """
    if subject.another is None:
        for one in (subject, subject.twin):
            if one and one.describe().lease_seconds <= LONGEST_LEASE:
                return _watch_leases(one, one.describe().lease_seconds)
        told = subject.describe().lease_seconds
        raise Skipped(
            f"leases last {told:g} s here: start a service or its twin with {LONGEST_LEASE:g} s or less"
        )
    with subject.another({"lease_seconds": LEASE_SECONDS}) as short:
        return _watch_leases(short, LEASE_SECONDS)


def _watch_leases(subject: EnvironmentSubject, lease: float) -> str:
    for _ in range(PATIENCE):
        kept, left = subject.start(1, 2)
        lost, prompt = _renewed_for(subject, kept, 2 * lease, lease)
        if prompt:
            break
    else:
        raise Skipped("this machine is too busy to renew a lease in time")
    expect(not lost, "a session was lost although its lease was renewed in time")
    expect(_is_freed(subject, left, lease), f"a session lived on for {2 * lease:g} s, twice its lease")
    late = left.try_turn(0, "x").error
    expect_code((named(late), late.message), "NOT_FOUND", "a step of a session whose lease ran out")
    return f"a lease of {lease:g} s"


def _is_freed(subject: EnvironmentSubject, left: Episode, lease: float) -> bool:
    """Asking renews its lease; a busy service gets some more time."""
    for _ in range(PATIENCE):
        if subject.renew(left.id):
            return True
        time.sleep(2 * lease)
    return False


def _renewed_for(
    subject: EnvironmentSubject, kept: Episode, seconds: float, lease: float
) -> tuple[bool, bool]:
    """Whether the session was lost, and whether every renewal came in time."""
    began = last = time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(lease / 8)
        lost = bool(subject.renew(kept.id))
        now = time.monotonic()
        if lost or now - last > lease / 2:
            return lost and now - last <= lease / 2, now - last <= lease / 2
        last = now
    return False, True


@environment_check(Level.WIRE)
def closing_is_idempotent(subject: EnvironmentSubject) -> None:
    """Closing frees a session; closing it again, or one that never was, is no error and frees nothing.

    Ignore ids that are not alive; count those that were.
    """
    (episode,) = subject.start(1)
    counts = [subject.close(episode.id, "no-such-session"), subject.close(episode.id)]
    expect(counts == [1, 0], f"CloseSessions freed {counts[0]}, then {counts[1]}, not 1 and 0")
    result = episode.try_turn(0, "x")
    expect_code((named(result.error), result.error.message), "NOT_FOUND", "a step of a closed session")


@environment_check(Level.WIRE)
def known_images_are_left_out(subject: EnvironmentSubject) -> str:
    """The bytes of an image are in the observation or come by `GetBlobs`; of one that the caller holds they
    are left out. An unknown digest is NOT_FOUND.

    Keep images by their SHA-256 as long as the session lives, and heed `known_blobs`.
    """
    (episode,) = subject.start(1)
    images = images_of(episode.started.observation)
    if not images:
        raise Skipped("its episodes show no image")
    request = pb.GetBlobsRequest(sha256=[one.sha256 for one in images])
    blobs = [answer.image for answer in subject.stub.GetBlobs(request, timeout=CALL_SECONDS)]
    expect([one.sha256 for one in blobs] == list(request.sha256), "GetBlobs gave other images than asked for")
    same = all(not image.data or image.data == blob.data for image, blob in zip(images, blobs, strict=True))
    expect(
        same and all(one.data for one in blobs), "the bytes of an image differ from those in the observation"
    )
    wanted = [pb.NewSession(session_id=subject.new_id(), seed=1)]
    again = subject.create(subject.ref(), wanted, known_blobs=list(request.sha256)).sessions[0]
    expect(
        not any(one.data for one in images_of(again.observation)),
        "bytes were sent that the caller said it holds",
    )
    unknown = pb.GetBlobsRequest(sha256=["0" * 64])
    code = called(lambda: list(subject.stub.GetBlobs(unknown, timeout=CALL_SECONDS)))
    expect_code(code, "NOT_FOUND", "an unknown digest")
    return f"{len(images)} images at the start, {sum(len(one.data) for one in blobs)} bytes"


@environment_check(Level.WIRE)
def a_full_service_says_when_to_come_back(subject: EnvironmentSubject) -> None:
    """Where there is no room, `CreateSessions` is RESOURCE_EXHAUSTED with a RetryInfo, and no session of the
    call is left.

    Count sessions before the first is made, and name a delay after which there may be room.
    """
    if subject.another is None:
        raise Skipped("for services that are started here: it takes one with little room")
    subject.start(0)
    with subject.another({"max_sessions": 1}) as small:
        first, second = small.new_id(), small.new_id()
        wanted = [pb.NewSession(session_id=one) for one in (first, second)]
        try:
            small.create(small.ref(), wanted)
        except grpc.RpcError as error:
            code, delays = code_of(error), retry_delays(error)
            expect_code((code, details_of(error)), "RESOURCE_EXHAUSTED", "two sessions where one has room")
            expect(bool(delays), "the error carries no RetryInfo")
        else:
            raise Failed("two sessions were created where max_sessions is 1")
        expect(small.renew(first, second) == [first, second], "a session of the failed call is alive")
