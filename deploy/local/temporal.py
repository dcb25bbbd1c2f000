"""The embedded Temporal server: its command and its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK
from deploy.local.temporal_binary import TemporalBinary

NAMESPACE = "attune"
HEALTH_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
_HISTORY_SHARDS = 4

DYNAMIC_CONFIG: Mapping[str, Any] = {
    # The lateness of every timer; the default of 1 s would make second-long stages late.
    "history.timerProcessorMaxTimeShift": "10ms",
    # A run continued within a second of its start would wait for the rest of that second.
    "history.workflowIdReuseMinimalInterval": "0s",
    # Tests and rehearsals move time; nothing else may.
    "frontend.WorkflowTimeSkippingEnabled": True,
    # A namespace and attributes registered a moment ago are known at once.
    "system.forceSearchAttributesCacheRefreshOnRead": True,
}


def command(layout: Layout, ports: Mapping[str, int], binary: TemporalBinary) -> tuple[str, ...]:
    """The server in the foreground; the development server of Temporal's own command where that was found."""
    if binary.kind == "server":
        return (str(binary.path), "--config-file", str(layout.temporal / "server.json"), "--allow-no-auth", "start")
    dynamic = (
        part
        for name, value in DYNAMIC_CONFIG.items()
        for part in ("--dynamic-config-value", f"{name}={json.dumps(value)}")
    )
    return (
        str(binary.path), "server", "start-dev", "--ip", LOOPBACK, "--port", str(ports["temporal"]),
        "--ui-port", str(ports["temporal_ui"]), "--db-filename", str(layout.temporal / "dev.sqlite"),
        "--log-level", "warn", *dynamic,
    )  # fmt: skip


def write_configuration(layout: Layout, ports: Mapping[str, int]) -> None:
    """Write the configuration files of the plain server. JSON is YAML, which the server reads."""
    dynamic = {name: [{"value": value}] for name, value in DYNAMIC_CONFIG.items()}
    (layout.temporal / "dynamic.json").write_text(json.dumps(dynamic, indent=2))
    (layout.temporal / "server.json").write_text(json.dumps(_configuration(layout, ports), indent=2))


def _configuration(layout: Layout, ports: Mapping[str, int]) -> dict[str, Any]:
    frontend = f"{LOOPBACK}:{ports['temporal']}"
    store = {
        "sql": {
            "pluginName": "sqlite",
            "databaseName": str(layout.temporal / "server.sqlite"),
            "connectAddr": "localhost",
            "connectProtocol": "tcp",
            # synchronous 2 is FULL: what was acknowledged survives a kill.
            "connectAttributes": {"mode": "rwc", "setup": "true", "journal_mode": "wal", "synchronous": "2"},
            "maxConns": 1,
            "maxIdleConns": 1,
        }
    }
    return {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": "sqlite",
            "visibilityStore": "sqlite",
            "numHistoryShards": _HISTORY_SHARDS,
            "datastores": {"sqlite": store},
        },
        "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": LOOPBACK}},
        "services": {
            service: {"rpc": _rpc(service, ports)} for service in ("frontend", "history", "matching", "worker")
        },
        "clusterMetadata": {
            "enableGlobalNamespace": False,
            "failoverVersionIncrement": 10,
            "masterClusterName": "active",
            "currentClusterName": "active",
            "clusterInformation": {
                "active": {
                    "enabled": True,
                    "initialFailoverVersion": 1,
                    "rpcName": "frontend",
                    "rpcAddress": frontend,
                }
            },
        },
        "publicClient": {"hostPort": frontend},
        "dcRedirectionPolicy": {"policy": "noop"},
        "dynamicConfigClient": {"filepath": str(layout.temporal / "dynamic.json"), "pollInterval": "60s"},
    }


def _rpc(service: str, ports: Mapping[str, int]) -> dict[str, Any]:
    grpc_port = ports["temporal"] if service == "frontend" else ports[f"temporal_{service}_grpc"]
    return {
        "grpcPort": grpc_port,
        "membershipPort": ports[f"temporal_{service}_membership"],
        "bindOnIP": LOOPBACK,
    }
