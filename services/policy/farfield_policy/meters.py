"""What the policy service counts."""

from farfield_kernel import metrics

tokens = metrics.counter("policy_tokens_total", "Tokens of finished responses.")
prompt_tokens = metrics.counter("policy_prompt_tokens_total", "Tokens of the prompts of finished responses.")
reused = metrics.counter("policy_reused_tokens_total", "Prompt tokens that did not have to be computed.")
running = metrics.gauge("policy_running", "Responses in the decode batch.")
queued = metrics.gauge("policy_queued", "Prompts that wait for a row or for weights.")
request_seconds = metrics.histogram("policy_request_seconds", "From a prompt's arrival to its result.")
version = metrics.gauge("policy_weight_version", "Version that is served.", ("run",))
load_seconds = metrics.histogram("policy_load_seconds", "Time to load a weight folder.")
swap_seconds = metrics.histogram("policy_swap_seconds", "How long decoding stood still for a swap.")
torn = metrics.counter("policy_torn_weights_total", "Announced weights that could not be loaded.")
