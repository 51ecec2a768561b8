"""What the policy service counts."""

from farfield_kernel import metrics
from farfield_policy.engine import Completion, FinishReason

tokens = metrics.counter("policy_tokens_total", "Tokens of finished responses.")
prompt_tokens = metrics.counter("policy_prompt_tokens_total", "Tokens of the prompts of finished responses.")
reused = metrics.counter("policy_reused_tokens_total", "Prompt tokens that did not have to be computed.")
_responses = metrics.counter(
    "policy_responses_total", "Responses by how they ended; failed is also what was given up.", ("reason",)
)
_finished = {reason: _responses.labels(reason.value) for reason in FinishReason}
failed = _responses.labels("failed")
running = metrics.gauge("policy_running", "Responses in the decode batch.")
rows = metrics.gauge("policy_rows", "Most responses that are decoded together.")
queued = metrics.gauge("policy_queued", "Prompts that wait for a row or for weights.")
request_seconds = metrics.histogram(
    "policy_request_seconds", "From a prompt's arrival to its result.", buckets=metrics.LONG_SECONDS
)
version = metrics.gauge("policy_weight_version", "Version that is served.", ("run",))
load_seconds = metrics.histogram(
    "policy_load_seconds", "Time to load a weight folder.", buckets=metrics.LONG_SECONDS
)
swap_seconds = metrics.histogram("policy_swap_seconds", "How long decoding stood still for a swap.")
torn = metrics.counter("policy_torn_weights_total", "Announced weights that could not be loaded.")
prefix_tokens = metrics.gauge("policy_prefix_tokens", "Tokens whose keys and values are kept for later.")
prefix_evictions = metrics.counter("policy_prefix_evictions_total", "Kept prefixes dropped to make room.")
_images = metrics.counter(
    "policy_images_total", "Images of prompts, by whether they were held or had to be read.", ("source",)
)
images_held, images_read = _images.labels("held"), _images.labels("read")
image_bytes = metrics.gauge("policy_image_cache_bytes", "Bytes of the images and pixels that are kept.")
image_evictions = metrics.counter("policy_image_evictions_total", "Kept images dropped to make room.")
rollouts = metrics.counter(
    "policy_tgi_rollouts_total", "Servers of new weights, by how it ended.", ("outcome",)
)
rollout_seconds = metrics.histogram(
    "policy_tgi_rollout_seconds",
    "From new weights to the server that shows them.",
    buckets=metrics.LONG_SECONDS,
)
leftovers = metrics.gauge("policy_tgi_leftovers", "Objects in Kubernetes that could not be deleted yet.")


def answered(completion: Completion) -> None:
    """By whatever engine."""
    tokens.inc(len(completion.response_ids))
    prompt_tokens.inc(len(completion.prompt_ids))
    _finished[completion.finish_reason].inc()
