"""Who may talk to whom."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rendering import CHART, DEMO, WORKLOADS, Object, labels, named, of, selected, template

TGI = CHART / "ci" / "gpu-tgi-values.yaml"
FSDP = CHART / "ci" / "gpu-fsdp-values.yaml"


def test_every_pod_has_a_network_policy(objects: list[Object]) -> None:
    workloads = {one["metadata"]["name"] for one in of(objects, *WORKLOADS)}
    policies = of(objects, "NetworkPolicy")
    assert {one["metadata"]["name"] for one in policies} >= workloads
    assert all(one["spec"]["policyTypes"] == ["Ingress", "Egress"] for one in policies)


def test_environments_and_verifiers_reach_dns_and_what_is_declared(objects: list[Object]) -> None:
    declared = {"web-shop": [443]}
    for one in of(objects, "NetworkPolicy"):
        if labels(one)["farfield.dev/kind"] in ("environment", "verifier"):
            first, *others = one["spec"]["egress"]
            assert {port["port"] for port in first["ports"]} == {53}
            opened = [port["port"] for rule in others for port in rule["ports"]]
            is_environment = labels(one)["farfield.dev/kind"] == "environment"
            assert opened == (declared.get(labels(one)["farfield.dev/name"], []) if is_environment else [])


def test_only_who_queues_reaches_redis(demo: list[Object]) -> None:
    spec = named(demo, "NetworkPolicy", "rl-redis")["spec"]
    (peer,) = spec["ingress"][0]["from"]
    assert peer["podSelector"]["matchExpressions"][0]["values"] == ["policy", "rollout", "trainer", "test"]
    assert spec["egress"] == []


def test_servers_of_tgi_hear_the_policy_alone_and_reach_nothing(helm: str) -> None:
    spec = named(template(helm, TGI), "NetworkPolicy", "rl-tgi")["spec"]
    assert kinds(spec["ingress"]) == [["policy"]]
    assert spec["egress"] == []


def test_ranks_reach_each_other_at_every_port(helm: str) -> None:
    objects = template(helm, FSDP)
    spec = named(objects, "NetworkPolicy", "rl-trainer")["spec"]
    trainer = spec["podSelector"]["matchLabels"]
    for rules, peers in ((spec["ingress"], "from"), (spec["egress"], "to")):
        among = [one for one in rules if one.get(peers) == [{"podSelector": {"matchLabels": trainer}}]]
        assert [one.get("ports") for one in among] == [None]


def test_a_peer_of_the_release_is_a_pod_that_is_there(objects: list[Object]) -> None:
    for policy in of(objects, "NetworkPolicy"):
        for rule in policy["spec"]["egress"]:
            for peer in rule.get("to", []):
                wanted = peer.get("podSelector", {}).get("matchLabels")
                assert not wanted or selected(objects, wanted), policy["metadata"]["name"]


@pytest.mark.parametrize("kind", ["rollout", "trainer"])
def test_who_discovers_reaches_the_api_and_what_joined(helm: str, kind: str) -> None:
    egress = rules(template(helm, DEMO, "--set", "discovery.enabled=true"), f"rl-{kind}")
    assert [443, 6443] in [[port["port"] for port in rule.get("ports", [])] for rule in egress]
    (joined,) = [rule for rule in egress if "ports" not in rule and kinds([rule])[0]]
    assert kinds([joined]) == [["environment", "verifier", "policy"]]


@pytest.mark.parametrize(
    ("url", "port"), [("http://mine:8080", 8080), ("https://mine/", 443), ("http://mine", 80)]
)
def test_a_server_of_ones_own_is_reached_at_its_port(helm: str, url: str, port: int) -> None:
    peer = "tgi.peers[0].ipBlock.cidr=10.1.0.0/16"
    egress = rules(template(helm, TGI, "--set", f"tgi.url={url},{peer}"), "rl-policy")
    opened = {"ports": [{"port": port, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}
    assert opened in egress


@pytest.mark.parametrize(("selector", "own"), [("", False), ("app.kubernetes.io/instance=rl", True)])
def test_what_a_neighbour_finds_it_may_call(helm: str, selector: str, own: bool) -> None:
    objects = template(helm, DEMO, "--set-string", f"discovery.selector={selector}")
    for name in ("rl-environment-virl", "rl-verifier-rewards", "rl-policy"):
        callers = named(objects, "NetworkPolicy", name)["spec"]["ingress"][0]["from"][0]["podSelector"]
        assert ("app.kubernetes.io/instance" in callers["matchLabels"]) is own


def rules(objects: list[Object], name: str) -> list[Any]:
    return named(objects, "NetworkPolicy", name)["spec"]["egress"]


def kinds(rules: list[Any]) -> list[list[str]]:
    """Kinds of the pods that each rule names, by their label."""
    found = []
    for rule in rules:
        peers = rule.get("from") or rule.get("to") or []
        selectors = [peer.get("podSelector", {}) for peer in peers]
        named_so = [one["values"] for each in selectors for one in each.get("matchExpressions", [])]
        found.append([kind for values in named_so for kind in values])
    return found
