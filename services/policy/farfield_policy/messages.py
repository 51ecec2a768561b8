"""The contract's messages and the engine's data, both ways."""

from farfield.policy.v1 import policy_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_kernel import wire
from farfield_kernel.errors import InvalidArgument, status_of
from farfield_model.chat import Message
from farfield_model.images import ImageFile, check_digest
from farfield_policy.engine import (
    Capabilities,
    Completion,
    Description,
    FinishReason,
    Forced,
    Prompt,
    Requirement,
    Sampling,
    Scores,
    Version,
    WeightUpdate,
)

_ROLES = {
    types_pb2.ROLE_SYSTEM: "system",
    types_pb2.ROLE_USER: "user",
    types_pb2.ROLE_ASSISTANT: "assistant",
}

_REASONS = {
    FinishReason.STOP_TOKEN: types_pb2.FINISH_REASON_STOP_TOKEN,
    FinishReason.STOP_STRING: types_pb2.FINISH_REASON_STOP_STRING,
    FinishReason.LENGTH: types_pb2.FINISH_REASON_LENGTH,
    FinishReason.CONTEXT: types_pb2.FINISH_REASON_CONTEXT,
}

_UPDATES = {
    WeightUpdate.NONE: pb.WEIGHT_UPDATE_NONE,
    WeightUpdate.RESTART: pb.WEIGHT_UPDATE_RESTART,
    WeightUpdate.DISK: pb.WEIGHT_UPDATE_DISK,
    WeightUpdate.TENSOR: pb.WEIGHT_UPDATE_TENSOR,
}


def prompt_from(message: pb.Prompt) -> Prompt:
    required = message.HasField("require") and message.require.run_id
    return Prompt(
        sampling=_sampling(message.sampling),
        prefix_ids=wire.ids_from_bytes(message.prefix_ids),
        prefix_images=tuple(map(_image, message.prefix_images)),
        messages=tuple(_message(one) for one in message.messages),
        seed=message.seed,
        require=_requirement(message) if required else None,
        request_id=message.request_id,
    )


def _requirement(message: pb.Prompt) -> Requirement:
    if message.max_staleness < 0:
        raise InvalidArgument(f"max_staleness is {message.max_staleness}; it must be 0 or more")
    require = message.require
    return Requirement(require.run_id, require.version, require.digest, message.max_staleness)


def _sampling(message: types_pb2.Sampling) -> Sampling:
    return Sampling(
        max_new_tokens=message.max_new_tokens,
        temperature=message.temperature,
        top_p=message.top_p,
        top_k=message.top_k,
        stop_strings=tuple(message.stop_strings),
        stop_token_ids=tuple(message.stop_token_ids),
    )


def _message(message: types_pb2.Message) -> Message:
    if message.role not in _ROLES:
        raise InvalidArgument("a message has no role; set it to system, user or assistant")
    parts = [_image(part.image) if part.HasField("image") else part.text for part in message.parts]
    if any(isinstance(part, ImageFile) for part in parts):
        return Message(_ROLES[message.role], tuple(parts))
    return Message(_ROLES[message.role], "".join(part.text for part in message.parts))


def _image(message: types_pb2.Image) -> ImageFile:
    image = ImageFile(message.sha256, message.data)
    check_digest(image)
    return image


def result_of(request_id: str, outcome: Completion | BaseException) -> pb.GenerateResult:
    if isinstance(outcome, BaseException):
        return pb.GenerateResult(request_id=request_id, error=status_of(outcome))
    response = pb.Response(
        prompt_ids=wire.ids_to_bytes(outcome.prompt_ids),
        response_ids=wire.ids_to_bytes(outcome.response_ids),
        logprobs=wire.floats_to_bytes(outcome.logprobs),
        raw_logprobs=wire.floats_to_bytes(outcome.raw_logprobs),
        finish_reason=_REASONS[outcome.finish_reason],
        text=outcome.text,
        versions=[pb.VersionSpan(version=span.version, tokens=span.tokens) for span in outcome.spans],
        run_id=outcome.run_id,
    )
    return pb.GenerateResult(request_id=request_id, response=response)


def forced_from(item: pb.ScoreItem) -> Forced:
    prompt, response = wire.ids_from_bytes(item.prompt_ids), wire.ids_from_bytes(item.response_ids)
    return Forced(prompt, response, item.temperature, tuple(map(_image, item.images)))


def score_result_of(request_id: str, outcome: Scores | Exception) -> pb.ScoreResult:
    if isinstance(outcome, Exception):
        return pb.ScoreResult(request_id=request_id, error=status_of(outcome))
    scores = pb.Scores(
        logprobs=wire.floats_to_bytes(outcome.logprobs),
        raw_logprobs=wire.floats_to_bytes(outcome.raw_logprobs),
    )
    return pb.ScoreResult(request_id=request_id, scores=scores)


def version_to(version: Version) -> pb.WeightVersion:
    return pb.WeightVersion(run_id=version.run_id, version=version.version, digest=version.digest)


def description_to(about: Description) -> pb.DescribeResponse:
    return pb.DescribeResponse(
        engine=about.engine,
        capabilities=_capabilities_to(about.capabilities),
        weights=version_to(about.weights),
        max_context_tokens=about.max_context_tokens,
        max_concurrency=about.max_concurrency,
        eos_token_ids=about.eos_token_ids,
        parameters=about.parameters,
        vocabulary=about.vocabulary,
    )


def _capabilities_to(able: Capabilities) -> pb.Capabilities:
    return pb.Capabilities(
        token_ids_in=able.token_ids_in,
        token_ids_out=able.token_ids_out,
        logprobs_raw=able.logprobs_raw,
        logprobs_processed=able.logprobs_processed,
        score=able.score,
        seed=able.seed,
        stop_strings=able.stop_strings,
        stop_token_ids=able.stop_token_ids,
        images=able.images,
        lora=able.lora,
        weight_update=_UPDATES[able.weight_update],
        deterministic=able.deterministic,
    )
