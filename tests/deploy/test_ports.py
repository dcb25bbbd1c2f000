"""Which ports a stack takes."""

from __future__ import annotations

import socket

from deploy.local import ports


def test_free_ports_are_distinct_and_complete() -> None:
    chosen, moved = ports.choose("free", {})
    assert set(chosen) == {*ports.STANDARD, *ports.INTERNAL}
    assert len(set(chosen.values())) == len(chosen)
    assert moved == []


def test_the_ports_of_the_run_before_are_kept() -> None:
    before, _ = ports.choose("free", {})
    again, _ = ports.choose("free", before)
    assert again == before


def test_a_busy_documented_port_is_replaced_and_said() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ports.LOOPBACK, 0))
        listener.listen()
        busy = listener.getsockname()[1]
        chosen, moved = ports.choose("standard", {}, standard={"gateway": busy})
    assert chosen["gateway"] != busy
    assert moved == [ports.Moved("gateway", busy, chosen["gateway"])]
    assert str(moved[0]) == f"port {busy} ({'gateway'}) is busy; using {chosen['gateway']}"


def test_a_port_that_another_run_left_is_not_preferred_to_the_documented_one() -> None:
    free, _ = ports.choose("free", {})
    chosen, moved = ports.choose("standard", {"people": free["goals"]}, standard={"people": free["people"]})
    assert chosen["people"] == free["people"]
    assert moved == []
