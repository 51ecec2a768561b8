"""What a policy and a verifier answered, before it is taken: a service may be of anyone's making, and what it
says would be trained on. An answer that cannot be right is the failure of whoever gave it."""

import math

from farfield.policy.v1 import policy_pb2
from farfield.types.v1.types_pb2 import Verdict
from farfield_kernel.errors import PluginFailure
from farfield_kernel.wire import floats_from_bytes


def checked_response(response: policy_pb2.Response, prompt: policy_pb2.Prompt) -> policy_pb2.Response:
    """The response, drawn from weights that the prompt allows. PluginFailure otherwise."""
    if not response.prompt_ids or len(response.prompt_ids) % 4:
        raise PluginFailure(f"the policy answered {len(response.prompt_ids)} bytes of prompt ids")
    count = len(response.response_ids)
    if count % 4 or len(response.logprobs) != count:
        raise PluginFailure(
            f"the policy answered {count} bytes of ids with {len(response.logprobs)} bytes of logprobs"
        )
    if not all(map(math.isfinite, floats_from_bytes(response.logprobs))):
        raise PluginFailure("the policy answered a logprob that is not finite: are its weights sound?")
    required = prompt.require
    if not required.run_id:
        return response
    oldest = required.version - prompt.max_staleness
    drew = [span.version for span in response.versions]
    if response.run_id != required.run_id or not all(oldest <= one <= required.version for one in drew):
        raise PluginFailure(
            f"the policy answered with versions {drew} of run '{response.run_id}' where versions {oldest} to "
            f"{required.version} of run '{required.run_id}' were asked for"
        )
    return response


def checked_verdict(verdict: Verdict) -> Verdict:
    """The verdict. PluginFailure where its reward or a term is no finite number."""
    for name, value in [("reward", verdict.reward), *verdict.terms.items()]:
        if not math.isfinite(value):
            raise PluginFailure(f"not judged: the verifier answered {value} as {name}")
    return verdict
