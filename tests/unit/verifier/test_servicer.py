"""What the verifier service logs of attempts that it cannot judge."""

from sample_scoring import attempt, leaf, opened
from sample_verifiers import Match

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel import traces
from farfield_verifier.servicer import VerifierServicer


async def test_an_attempt_that_is_not_judged_is_logged_with_its_trace(caplog) -> None:
    async with opened(Match) as core:
        servicer = VerifierServicer(core.catalog, core.scoring)
        good, bad = attempt(attempt_id="run/e.1#1/0~1"), attempt(facts="{}", attempt_id="run/e.2#1/3~4")
        answer = await servicer.Verify(pb.VerifyRequest(plan=leaf("match"), attempts=[good, bad]), None)
    assert [one.WhichOneof("result") for one in answer.results] == ["verdict", "error"]
    (line,) = [one for one in caplog.records if "is not judged" in one.message]
    assert (line.session, line.trace_id) == ("run/e.2#1", traces.of("run/e.2#1")["trace_id"])
