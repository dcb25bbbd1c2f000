"""Which ports a stack takes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import ports


@pytest.fixture
def claims(tmp_path: Path) -> Iterator[ports.Claims]:
    made = ports.Claims(tmp_path)
    yield made
    made.close()


def test_free_ports_are_distinct_and_complete(claims: ports.Claims) -> None:
    chosen, moved = ports.choose("free", {}, claims)
    assert set(chosen) == {*ports.STANDARD, *ports.INTERNAL}
    assert len(set(chosen.values())) == len(chosen)
    assert moved == []


def test_no_port_is_given_twice_however_few_there_are(claims: ports.Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    names = len(ports.STANDARD) + len(ports.INTERNAL)
    monkeypatch.setattr(ports, "_FREE_RANGE", range(20_000, 20_200))
    chosen, _ = ports.choose("free", {}, claims)
    assert len(set(chosen.values())) == names
    beside = ports.take_free(100, claims)
    assert len(set(beside)) == 100


def test_the_ports_of_the_run_before_are_kept(claims: ports.Claims) -> None:
    before, _ = ports.choose("free", {}, claims)
    again, _ = ports.choose("free", before, claims)
    assert again == before


def test_a_busy_documented_port_is_replaced_and_said(claims: ports.Claims) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        busy = listener.getsockname()[1]
        chosen, moved = ports.choose("standard", {}, claims, standard={"gateway": busy})
    assert chosen["gateway"] != busy
    assert moved == [ports.Moved("gateway", busy, chosen["gateway"])]
    assert str(moved[0]) == f"port {busy} ({'gateway'}) is busy; using {chosen['gateway']}"


def test_a_port_that_another_run_left_is_not_preferred_to_the_documented_one(claims: ports.Claims) -> None:
    free, _ = ports.choose("free", {}, claims)
    chosen, moved = ports.choose("standard", {"people": free["goals"]}, claims, standard={"people": free["people"]})
    assert chosen["people"] == free["people"]
    assert moved == []


def test_two_stacks_that_start_at_once_choose_apart(claims: ports.Claims, tmp_path: Path) -> None:
    first, _ = ports.choose("free", {}, claims)
    other = ports.Claims(tmp_path)
    second, _ = ports.choose("free", first, other)
    assert not set(first.values()) & set(second.values())
    claims.close()
    again, _ = ports.choose("free", first, other)
    assert again == first
    other.close()


def test_what_runs_beside_a_stack_takes_ports_that_no_stack_takes_meanwhile(
    claims: ports.Claims, tmp_path: Path
) -> None:
    beside = ports.take_free(3, claims)
    assert len(set(beside)) == 3
    assert all(port in range(20_000, 32_000) for port in beside)
    other = ports.Claims(tmp_path)
    assert not any(other.take(port) for port in beside)
    chosen, _ = ports.choose("free", {"gateway": beside[0]}, other)
    assert not set(beside) & set(chosen.values())
    other.close()
