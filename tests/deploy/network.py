"""Reads NetworkPolicies as a cluster does: which pod may open a connection to which port of which pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.deploy.charts import Object, container, of_kind, pods

Labels = Mapping[str, str]


@dataclass(frozen=True, order=True)
class Arrow:
    """A connection that is allowed, between components."""

    caller: str
    called: str
    port: int


def allowed(objects: tuple[Object, ...]) -> frozenset[Arrow]:
    """Every connection between pods of the release that its policies allow."""
    policies = list(of_kind(objects, "NetworkPolicy"))
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    ports = {name: _ports(pod) for name, pod in pods(objects).items()}
    return frozenset(
        Arrow(caller, called, port)
        for caller in labels
        for called in labels
        for port in ports[called]
        if _admits(policies, "Egress", labels[caller], labels[called], port)
        and _admits(policies, "Ingress", labels[called], labels[caller], port)
    )


def outward(objects: tuple[Object, ...]) -> Mapping[str, frozenset[int]]:
    """The ports on which each component may leave the release."""
    return {
        name: frozenset(
            each["port"]
            for policy in _selecting(list(of_kind(objects, "NetworkPolicy")), "Egress", pod["metadata"]["labels"])
            for rule in policy["spec"].get("egress", [])
            if not _names_pods(rule["to"])
            for each in rule["ports"]
        )
        for name, pod in pods(objects).items()
    }


def _names_pods(peers: Sequence[Any]) -> bool:
    return any("podSelector" in peer and "namespaceSelector" not in peer for peer in peers)


def _ports(pod: Object) -> tuple[int, ...]:
    return tuple(each["containerPort"] for each in container(pod).get("ports", []))


def _selecting(policies: Sequence[Object], direction: str, labels: Labels) -> Iterator[Object]:
    for policy in policies:
        if direction in policy["spec"]["policyTypes"] and _matches(policy["spec"]["podSelector"], labels):
            yield policy


def _admits(policies: Sequence[Object], direction: str, own: Labels, other: Labels, port: int) -> bool:
    """A pod that no policy selects admits everything; else what one rule of one of them admits."""
    selecting = list(_selecting(policies, direction, own))
    side, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return not selecting or any(
        _peer(rule.get(peers, []), other) and any(each["port"] == port for each in rule["ports"])
        for policy in selecting
        for rule in policy["spec"].get(side, [])
    )


def _peer(peers: Sequence[Object], labels: Labels) -> bool:
    """Whether a pod of this namespace is among the peers; without any peer everything is."""
    return not peers or any("podSelector" in peer and _matches(peer["podSelector"], labels) for peer in peers)


def _matches(selector: Object, labels: Labels) -> bool:
    assert selector.keys() <= {"matchLabels"}, "this reader knows labels only"
    wanted: Labels = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def calls_of(table: Mapping[str, Object]) -> frozenset[Arrow]:
    """The connections of the table of calls."""
    servers = {process.get("serves", name): name for name, process in table.items()}
    return frozenset(
        Arrow(name, servers[called], table[servers[called]]["port"]["number"])
        for name, process in table.items()
        for called in process["calls"]
    )
