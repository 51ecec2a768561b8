"""Patches as Kubernetes describes them."""

import pytest

pytest.importorskip("jsonpatch", reason="no jsonpatch: pip install -r tests/cluster/requirements.txt")

from tests.cluster import patches

POD = {
    "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["one"]},
    "spec": {
        "containers": [
            {"name": "first", "image": "x:1", "args": ["a", "b"], "env": [{"name": "K", "value": "1"}]},
            {"name": "second", "image": "y:1"},
        ],
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
    },
}


def test_null_removes_in_a_merge_patch_and_lists_are_replaced() -> None:
    patched = patches.merge_patch(POD, {"metadata": {"labels": {"a": None}}, "spec": {"containers": []}})
    assert patched["metadata"]["labels"] == {"b": "2"}
    assert patched["spec"]["containers"] == []


def test_containers_are_merged_by_name_and_plain_lists_replaced() -> None:
    container = {"name": "first", "args": ["c"], "env": [{"name": "L", "value": "2"}]}
    patched = patches.strategic_merge(POD, {"spec": {"containers": [container]}})
    first, second = patched["spec"]["containers"]
    assert first == {
        "name": "first",
        "image": "x:1",
        "args": ["c"],
        "env": [{"name": "K", "value": "1"}, {"name": "L", "value": "2"}],
    }
    assert second == POD["spec"]["containers"][1]


def test_directives_delete_replace_and_retain() -> None:
    gone = {"spec": {"containers": [{"name": "first", "$patch": "delete"}]}}
    assert [one["name"] for one in patches.strategic_merge(POD, gone)["spec"]["containers"]] == ["second"]
    replaced = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    assert patches.strategic_merge(POD, replaced)["metadata"]["labels"] == {"c": "3"}
    recreate = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patches.strategic_merge(POD, recreate)["spec"]["strategy"] == {"type": "Recreate"}
    less = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["one"], "finalizers": ["two"]}}
    assert patches.strategic_merge(POD, less)["metadata"]["finalizers"] == ["two"]


def test_what_a_manager_no_longer_applies_goes_and_others_stay() -> None:
    before = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "first", "image": "x:1"}]}}
    after = {"metadata": {"labels": {"c": "3"}}, "spec": {"containers": [{"name": "third", "image": "z:1"}]}}
    applied = patches.apply(POD, after, before)
    assert applied["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert [one["name"] for one in applied["spec"]["containers"]] == ["second", "third"]
    assert POD["metadata"]["labels"] == {"a": "1", "b": "2"}


def test_a_json_patch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(patches.Invalid, match="does not apply"):
        patches.json_patch(POD, [{"op": "remove", "path": "/spec/nothing"}])
