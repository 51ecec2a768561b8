"""A **toy** kubelet: it runs the pods of the simulator in real containers, with podman and runc on this
machine.

What is real: the images, entry points, arguments and environments; users, groups, capabilities, read-only
roots and memory limits; one network namespace and address for each pod; ConfigMaps, Secrets, claims and
emptyDirs as folders; probes (exec, gRPC, HTTP, TCP), restarts, preStop and SIGTERM with their grace; names
of Services, which a name server answers with the addresses of ready pods.

What is a toy: there is one node, and every image must be there already. A Service of any kind resolves to
its pods, so its ports must be theirs: nothing routes a cluster address. NetworkPolicies are not enforced. A
claim is a folder, of any size. Mounted ConfigMaps and Secrets do not change while a pod runs. Restarts back
off from one second, and a probe that has not succeeded yet is repeated every second: nobody wants to wait
for a test.

Needs root, podman, and (on cgroups v1) runc; docker/README.md says how both are set up.
"""
