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


def test_no_port_is_given_twice_however_many_are_asked_for(claims: ports.Claims) -> None:
    """Of 300 drawn from 12 000, two would be the same 97 times in a hundred."""
    assert len(set(ports.take_free(300, claims))) == 300


def test_a_port_that_two_names_had_is_kept_for_one_of_them(claims: ports.Claims) -> None:
    """As a run before could have chosen, of which both sockets were bound and none listened yet."""
    [port] = ports.take_free(1, claims)
    chosen, _ = ports.choose("free", {"gateway": port, "people": port}, claims)
    assert chosen["gateway"] == port
    assert len(set(chosen.values())) == len(chosen)


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
