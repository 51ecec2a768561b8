"""Jobs: pods until enough have succeeded, or too many have failed; indexed ones know their index."""

from tests.cluster.controllers.owning import PODS, condition, finished, leaving, make_pod, owned, report
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store, now

JOBS = BY_KIND["Job"]
INDEX = "batch.kubernetes.io/job-completion-index"


def reconcile(store: Store) -> None:
    for job in store.all(JOBS):
        if not leaving(job):
            _advance(store, job)


def _advance(store: Store, job: Object) -> None:
    pods = owned(store, PODS, job)
    succeeded = [pod for pod in pods if pod["status"].get("phase") == "Succeeded"]
    failed = [pod for pod in pods if pod["status"].get("phase") == "Failed"]
    active = [pod for pod in pods if not finished(pod) and not leaving(pod)]
    done = len(succeeded) >= job["spec"].get("completions", 1)
    broken = len(failed) > job["spec"]["backoffLimit"]
    if broken:
        for pod in active:
            store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
    elif not done and not job["spec"]["suspend"]:
        active += _start(store, job, succeeded, active)
    conditions = [
        *([condition(job, "SuccessCriteriaMet", True, "CompletionsReached")] if done else []),
        *([condition(job, "Complete", True, "CompletionsReached")] if done else []),
        *([condition(job, "Failed", True, "BackoffLimitExceeded")] if broken else []),
    ]
    status: Object = {
        "active": 0 if done or broken else len(active),
        "ready": 0 if done or broken else len(active),
        "succeeded": len(succeeded),
        "failed": len(failed),
        "startTime": job.get("status", {}).get("startTime") or now(),
    }
    if conditions:
        status["conditions"] = conditions
    if done:
        status["completionTime"] = job.get("status", {}).get("completionTime") or now()
    report(store, JOBS, job, status)


def _start(store: Store, job: Object, succeeded: list[Object], active: list[Object]) -> list[Object]:
    spec, meta = job["spec"], job["metadata"]
    missing = min(spec["parallelism"], spec.get("completions", 1) - len(succeeded)) - len(active)
    taken = {pod["metadata"]["annotations"].get(INDEX) for pod in [*succeeded, *active]}
    free = [str(index) for index in range(spec.get("completions", 1)) if str(index) not in taken]
    started = []
    for index in free[: max(0, missing)]:
        if spec["completionMode"] == "Indexed":
            pod = make_pod(job, {"generateName": f"{meta['name']}-{index}-"}, {INDEX: index}, {INDEX: index})
            _tell_index(pod, job, index)
        else:
            pod = make_pod(job, {"generateName": f"{meta['name']}-"}, {})
        started.append(store.create(PODS, pod))
    return started


def _tell_index(pod: Object, job: Object, index: str) -> None:
    pod["spec"] |= {"hostname": f"{job['metadata']['name']}-{index}"}
    told = {"name": "JOB_COMPLETION_INDEX", "value": index}
    containers = pod["spec"]["containers"]
    pod["spec"]["containers"] = [{**one, "env": [*one.get("env", []), told]} for one in containers]
