"""VerifierService: the contract's messages to the core and back."""

import logging
from typing import Any

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield.verifier.v1 import verifier_pb2_grpc
from farfield_kernel import traces
from farfield_kernel.errors import FarfieldError, status_of
from farfield_kernel.server import Mount
from farfield_sdk import Verdict
from farfield_verifier import messages
from farfield_verifier.catalog import Catalog
from farfield_verifier.scoring import Scoring

log = logging.getLogger(__name__)


class VerifierServicer(verifier_pb2_grpc.VerifierServiceServicer):
    def __init__(self, catalog: Catalog, scoring: Scoring) -> None:
        self._catalog, self._scoring = catalog, scoring

    async def Describe(self, request: pb.DescribeRequest, context: Any) -> pb.DescribeResponse:
        broken = self._catalog.broken.items()
        return pb.DescribeResponse(
            verifiers=[hosted.info for hosted in self._catalog.hosted.values()],
            broken=[types_pb2.BrokenPlugin(name=name, error=error) for name, error in broken],
            plans=self._scoring.named_plans,
        )

    async def Verify(self, request: pb.VerifyRequest, context: Any) -> pb.VerifyResponse:
        plan = await self._scoring.compiled(request.plan)
        judged = await self._scoring.verify(plan, request.attempts)
        pairs = zip(request.attempts, judged, strict=True)
        results = [_result(attempt.attempt_id, one) for attempt, one in pairs]
        return pb.VerifyResponse(results=results, whole_groups=plan.whole_groups)


def _result(attempt_id: str, judged: Verdict | FarfieldError) -> pb.VerifyResult:
    if isinstance(judged, FarfieldError):
        log.warning("attempt %s is not judged: %s", attempt_id, judged, extra=traces.of_request(attempt_id))
        return pb.VerifyResult(attempt_id=attempt_id, error=status_of(judged))
    return pb.VerifyResult(attempt_id=attempt_id, verdict=messages.verdict(judged))


def mount(servicer: VerifierServicer, catalog: Catalog) -> Mount:
    """With a health name for each plugin: `verifier/<name>`."""
    works = {f"verifier/{name}": True for name in catalog.hosted}
    broken = {f"verifier/{name}": False for name in catalog.broken}
    return Mount(
        pb.DESCRIPTOR.services_by_name["VerifierService"],
        verifier_pb2_grpc.add_VerifierServiceServicer_to_server,
        servicer,
        {**works, **broken},
    )
