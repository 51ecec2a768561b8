"""What controllers make of objects, one pass after the other, with a kubelet that the test plays."""

from collections.abc import Callable

import pytest

from tests.integration.simulator.manifests import deployment, service

pytest.importorskip("jsonpatch", reason="no jsonpatch: pip install -r tests/cluster/requirements.txt")

from tests.cluster import controllers, defaults
from tests.cluster.controllers.owning import PODS, ready
from tests.cluster.kubelet import ImaginaryKubelet
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

Settle = Callable[[], None]


@pytest.fixture
def store() -> Store:
    return Store()


def put(store: Store, one: Object) -> Object:
    resource = BY_KIND[one["kind"]]
    one["metadata"].setdefault("namespace", "default")
    defaults.fill(resource, one)
    return store.create(resource, {**one, "status": {}})


def settle(store: Store, *more: controllers.Controller) -> None:
    """Passes, until one changes nothing."""
    version = -1
    while version != store.version:
        version = store.version
        for reconcile in (*controllers.CONTROLLERS, *more):
            reconcile(store)


def pods(store: Store) -> list[Object]:
    return store.all(PODS)


def stateful(replicas: int = 3) -> Object:
    one = deployment("db", replicas)
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    one["spec"] |= {"serviceName": "db", "volumeClaimTemplates": [claim]}
    return {**one, "kind": "StatefulSet"}


def job(**spec: object) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "work", "image": "work:1"}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "work"},
        "spec": {"template": template, **spec},
    }


def test_a_rolling_update_waits_for_new_pods_before_it_ends_old_ones(store: Store) -> None:
    put(store, deployment(replicas=4))
    kubelet = ImaginaryKubelet()
    settle(store, kubelet.reconcile)
    changed = store.get(BY_KIND["Deployment"], "default", "game")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "game:2"
    changed["spec"]["template"]["metadata"]["annotations"] = {"simulator/ready": "false"}
    store.update(BY_KIND["Deployment"], changed)
    settle(store, kubelet.reconcile)
    images = sorted(one["spec"]["containers"][0]["image"] for one in pods(store))
    assert images == ["game:1"] * 3 + ["game:2"] * 2  # a quarter more, a quarter fewer available
    assert sum(map(ready, pods(store))) == 3


def test_recreate_starts_no_pod_while_an_old_one_ends(store: Store) -> None:
    one = deployment(replicas=1)
    one["spec"]["strategy"] = {"type": "Recreate"}
    put(store, one)
    settle(store, ImaginaryKubelet().reconcile)
    changed = store.get(BY_KIND["Deployment"], "default", "game")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "game:2"
    store.update(BY_KIND["Deployment"], changed)
    settle(store)
    (old,) = pods(store)
    assert "deletionTimestamp" in old["metadata"]
    settle(store, ImaginaryKubelet().reconcile)
    (new,) = pods(store)
    assert new["spec"]["containers"][0]["image"] == "game:2"


def test_a_stateful_set_starts_in_order_with_a_claim_for_each(store: Store) -> None:
    put(store, stateful())
    settle(store)
    assert [one["metadata"]["name"] for one in pods(store)] == ["db-0"]
    settle(store, ImaginaryKubelet().reconcile)
    assert [one["metadata"]["name"] for one in pods(store)] == ["db-0", "db-1", "db-2"]
    claims = store.all(BY_KIND["PersistentVolumeClaim"])
    assert {one["metadata"]["name"] for one in claims} == {"data-db-0", "data-db-1", "data-db-2"}
    assert {one["status"]["phase"] for one in claims} == {"Bound"}


def test_an_indexed_job_ends_when_each_index_has_succeeded(store: Store) -> None:
    put(store, job(completionMode="Indexed", completions=3, parallelism=2))
    settle(store)
    told = [one["spec"]["containers"][0]["env"][-1]["value"] for one in pods(store)]
    assert told == ["0", "1"]
    settle(store, ImaginaryKubelet().reconcile)
    (done,) = store.all(BY_KIND["Job"])
    assert done["status"]["succeeded"] == 3
    assert {one["type"] for one in done["status"]["conditions"]} == {"Complete", "SuccessCriteriaMet"}


def test_a_job_that_fails_too_often_has_failed(store: Store) -> None:
    failing = job(backoffLimit=1)
    failing["spec"]["template"]["metadata"] = {"annotations": {"simulator/phase": "Failed"}}
    put(store, failing)
    settle(store, ImaginaryKubelet().reconcile)
    (done,) = store.all(BY_KIND["Job"])
    assert done["status"]["failed"] == 2
    assert done["status"]["conditions"][0]["type"] == "Failed"


def test_a_pod_that_ends_is_not_ready_for_its_service(store: Store) -> None:
    put(store, service())
    put(store, deployment())
    settle(store, ImaginaryKubelet().reconcile)
    first, _ = pods(store)
    store.delete(PODS, "default", first["metadata"]["name"])
    settle(store)
    (found,) = store.all(BY_KIND["EndpointSlice"])
    conditions = {
        end["targetRef"]["name"]: (end["conditions"]["ready"], end["conditions"]["terminating"])
        for end in found["endpoints"]
    }
    assert conditions[first["metadata"]["name"]] == (False, True)
