"""What each process of the stack runs, and how one sees that it is ready."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from functools import partial

from deploy.local import postgres, probes, redis, temporal
from deploy.local.child import Program
from deploy.local.environment import Wiring, process_environment
from deploy.local.temporal_binary import TemporalBinary
from deploy.names import SERVICES

MODULES: Mapping[str, str] = {
    **{service: f"services.{service}" for service in SERVICES},
    "gateway": "services.gateway",
    "worker": "workflows.worker",
    "bridge": "workflows.bridge",
}


def own_program(wiring: Wiring, name: str, inherited: Mapping[str, str]) -> Program:
    """One of Attune's own processes."""
    ports = wiring.ports
    ready: Mapping[str, probes.Probe] = {
        **{service: probes.grpc_serving(ports[f"{service}_health"]) for service in SERVICES},
        "gateway": probes.http_ok(ports["gateway"], "/readyz"),
        "worker": probes.http_ok(ports["worker_metrics"], "/readyz"),
        "bridge": probes.http_ok(ports["bridge_metrics"], "/readyz"),
    }
    answers_at = {"worker": "worker_metrics", "bridge": "engine"}.get(name, name)
    return Program(
        name=name,
        command=(sys.executable, "-m", MODULES[name]),
        environment=process_environment(wiring, name, inherited),
        ready=ready[name],
        log=wiring.layout.log(name),
        held_file=wiring.layout.held_file(name),
        checkout_file=wiring.layout.checkout_file(name),
        told=partial(wiring.layout.told, name),
        address=wiring.address(answers_at),
    )


def postgres_program(wiring: Wiring, inherited: Mapping[str, str]) -> Program:
    """The embedded PostgreSQL; SIGINT is its fast shutdown."""
    layout = wiring.layout
    return Program(
        name="postgres",
        command=postgres.command(layout),
        environment=process_environment(wiring, "postgres", inherited),
        ready=probes.postgres_answers(postgres.superuser_url(layout)),
        log=layout.log("postgres"),
        held_file=layout.held_file("postgres"),
        address=wiring.address("postgres"),
        stop_signal=signal.SIGINT,
        patience_seconds=30.0,
        user=postgres.system_user(),
        before_start=lambda: postgres.reap(layout),
    )


def redis_program(wiring: Wiring, server: str | None, inherited: Mapping[str, str]) -> Program:
    """Redis or its stand-in."""
    return Program(
        name="redis",
        command=redis.command(wiring.layout, wiring.ports["redis"], server),
        environment=process_environment(wiring, "redis", inherited),
        ready=probes.listening(wiring.ports["redis"]),
        log=wiring.layout.log("redis"),
        held_file=wiring.layout.held_file("redis"),
        address=wiring.address("redis"),
        patience_seconds=3.0,
    )


def temporal_program(wiring: Wiring, binary: TemporalBinary, inherited: Mapping[str, str]) -> Program:
    """The embedded Temporal server."""
    return Program(
        name="temporal",
        command=temporal.command(wiring.layout, wiring.ports, binary),
        environment=process_environment(wiring, "temporal", inherited),
        ready=probes.grpc_serving(wiring.ports["temporal"], temporal.HEALTH_SERVICE),
        log=wiring.layout.log("temporal"),
        held_file=wiring.layout.held_file("temporal"),
        address=wiring.address("temporal"),
        patience_seconds=15.0,
    )


def collector_program(wiring: Wiring, inherited: Mapping[str, str]) -> Program:
    """The keeper of traces; it ends after those that send to it."""
    port = wiring.ports["collector"]
    return Program(
        name="collector",
        command=(sys.executable, "-m", "deploy.local.collector", str(port), str(wiring.layout.traces)),
        environment=process_environment(wiring, "collector", inherited),
        ready=probes.listening(port),
        log=wiring.layout.log("collector"),
        held_file=wiring.layout.held_file("collector"),
        address=wiring.address("collector"),
        patience_seconds=5.0,
    )
