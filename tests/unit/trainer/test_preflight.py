from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from sample_runs import ToyEnvironment, run_config, sft_config, suites

from farfield.environment.v1.environment_pb2 import Observation
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield.types.v1.types_pb2 import Image, Message, Part
from farfield.verifier.v1 import verifier_pb2, verifier_pb2_grpc
from farfield_kernel.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from farfield_kernel.server import Mount, running
from farfield_kernel.weights import seal
from farfield_trainer.peers import Peers, always
from farfield_trainer.preflight import Preflight, check_checkpoint


class ToyVerifier(verifier_pb2_grpc.VerifierServiceServicer):
    async def Verify(self, request: Any, context: Any) -> Any:
        name = request.plan.leaf.verifier
        if name not in ("toy", "ranking"):
            raise NotFound(f"no verifier '{name}'; hosted: toy")
        return verifier_pb2.VerifyResponse(whole_groups=name == "ranking")

    def mount(self) -> Mount:
        return Mount(
            verifier_pb2.DESCRIPTOR.services_by_name["VerifierService"],
            verifier_pb2_grpc.add_VerifierServiceServicer_to_server,
            self,
        )


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
async def preflight() -> AsyncIterator[Preflight]:
    mounts = [ToyEnvironment().mount(), ToyVerifier().mount()]
    async with running(mounts) as address, grpc.aio.insecure_channel(address) as channel:
        yield Preflight(
            Peers(
                always(EnvironmentServiceStub(channel)),
                always(verifier_pb2_grpc.VerifierServiceStub(channel)),
            )
        )


async def test_a_run_that_can_be_served(preflight: Preflight, base: Path) -> None:
    await preflight.check("r", run_config(base=base, evaluation={"suites": suites(ood=1)}))


async def test_mistakes_keep_their_code_and_say_where_they_are(preflight: Preflight, base: Path) -> None:
    with pytest.raises(InvalidArgument, match="environment: no environment 'x'"):
        await preflight.check("r", run_config(base=base, environment={"name": "x"}))
    with pytest.raises(NotFound, match="reward: no verifier 'y'; hosted: toy"):
        await preflight.check("r", run_config(base=base, reward={"leaf": {"verifier": "y"}}))
    suite = suites(ood=1)["ood"] | {"reward": {"leaf": {"verifier": "z"}}}
    with pytest.raises(NotFound, match=r"evaluation\.suites\.ood\.reward: no verifier 'z'"):
        await preflight.check("r", run_config(base=base, evaluation={"suites": {"ood": suite}}))


async def test_the_reference_has_to_be_a_checkpoint_too(preflight: Preflight, base: Path) -> None:
    algorithm = {"kind": "rl", "kl": {"coefficient": 0.1, "reference": str(base / "nowhere")}}
    with pytest.raises(FailedPrecondition, match=r"algorithm\.kl\.reference: .*nowhere is not a folder"):
        await preflight.check("r", run_config(base=base, algorithm=algorithm))


async def test_a_verifier_of_whole_groups_is_refused(preflight: Preflight, base: Path) -> None:
    with pytest.raises(FailedPrecondition, match="reward: a verifier of this plan compares whole groups"):
        await preflight.check("r", run_config(base=base, reward={"leaf": {"verifier": "ranking"}}))


async def test_images_need_a_base_with_eyes(base: Path) -> None:
    class Pictures(ToyEnvironment):
        async def CreateSessions(self, request: Any, context: Any) -> Any:
            answer = await super().CreateSessions(request, context)
            shown = Message(parts=[Part(image=Image(sha256="0" * 64))])
            answer.sessions.add(observation=Observation(messages=[shown]))
            return answer

    async with running([Pictures().mount()]) as address, grpc.aio.insecure_channel(address) as channel:
        preflight = Preflight(Peers(always(EnvironmentServiceStub(channel))))
        with pytest.raises(FailedPrecondition, match=r"shows images and the model in .* takes none"):
            await preflight.check("r", run_config(base=base))
        (base / "config.json").write_text('{"vision_config": {}}')
        await preflight.check("r", run_config(base=base))


async def test_without_services_nothing_is_asked_but_sft_is_refused(base: Path) -> None:
    await Preflight(Peers()).check("r", run_config(base=base))
    with pytest.raises(FailedPrecondition, match=r"set environment\.address"):
        await Preflight(Peers()).check("r", sft_config(base=base))


def test_a_base_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="is not a folder"):
        check_checkpoint(tmp_path / "missing")
    with pytest.raises(FailedPrecondition, match=r"has no config\.json"):
        check_checkpoint(tmp_path)


def test_a_torn_base(base: Path) -> None:
    (base / "model.safetensors").write_text("weights")
    seal(base, "r", 1)
    check_checkpoint(base)
    (base / "model.safetensors").write_text("torn")
    with pytest.raises(DataLoss, match=r"model\.safetensors"):
        check_checkpoint(base)
