"""What the server of text-generation-inference's protocol counts."""

from farfield_kernel import metrics

requests = metrics.counter("policy_tgi_requests_total", "Requests by route and status.", ("route", "status"))
errors = metrics.counter(
    "policy_tgi_errors_total", "Errors told to clients, those inside a stream too.", ("type",)
)
seconds = metrics.histogram("policy_tgi_request_seconds", "From a request to its last byte.", ("route",))
running = metrics.gauge("policy_tgi_running", "Requests that wait or run.")
