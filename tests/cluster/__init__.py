"""A **simulator** of a Kubernetes cluster, small enough to read, for tests on a machine that has none.

It is no Kubernetes. It speaks enough of the API for the real `helm` (3 and 4), the real `kubectl` and the
Python `kubernetes` client: discovery, create, get, list, watch, update, patch, delete, dry runs, selectors,
owners, logs and port-forwards. Objects are checked with Kubernetes' own schemas, strictly, and accounts of
pods by their Roles. Small controllers make ReplicaSets and Pods of workloads, and EndpointSlices of Services.

What is approximate: defaults (those that clients look at), strategic merge patches (the merge keys of the
kinds in use), server-side apply (no conflicts between managers), the order of a rollout's steps; and there is
one node. What is not there: scheduling by resources, priorities, admission, quotas, autoscaling by load,
`exec`. A pass here says that charts and clients fit the API as it is described, and no more.

Pods are run by a kubelet. The default one is imaginary: it says of every pod that it runs and is ready.
"""
