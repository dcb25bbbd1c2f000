"""Starts and stops a Kubernetes control plane on loopback: API server, controllers, scheduler, etcd and fake nodes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.kubernetes.certificates import make_authority, sign_client, sign_server, write_key
from deploy.local.kubernetes.programs import Programs
from deploy.local.ports import LOOPBACK
from deploy.local.waiting import WaitedTooLong, until

_SERVICES = "10.96.0.0/16"
_FIRST_SERVICE = "10.96.0.1"
_NODES = 3
_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
Report = Callable[[str], None]


class ControlPlaneFailed(Exception):
    """A program of the control plane ended, or did not answer in time; the message holds the end of its log."""


@dataclass
class ControlPlane:
    """What runs, and how to speak to it."""

    folder: Path
    programs: Programs
    ports: Mapping[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in."""
        return self.folder / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """For programs that speak to this cluster and to no other."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
        homes = {f"HELM_{name}_HOME": str(self.folder / f"helm-{name.lower()}") for name in ("CACHE", "CONFIG", "DATA")}
        return {**kept, **homes, "KUBECONFIG": str(self.kubeconfig)}

    def run(
        self, program: str, *arguments: str, given: str | None = None, seconds: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run helm or kubectl against it; how it ended is the caller's business."""
        return subprocess.run(
            [str(self.programs.path(program)), *arguments],
            env=self.environment,
            input=given if given is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl; its output. Raises ControlPlaneFailed with its complaint."""
        done = self.run("kubectl", *arguments, given=given)
        if done.returncode:
            raise ControlPlaneFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def start(self, name: str, *arguments: str) -> None:
        """Start one program at a low priority; its output goes to a file."""
        nice = [found, "-n", "5"] if (found := shutil.which("nice")) else []
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [*nice, str(self.programs.path(name)), *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait until something holds. Raises ControlPlaneFailed when a program ends first, or after three minutes."""

        def holds_while_all_run() -> bool:
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise ControlPlaneFailed(f"{name} ended:\n{self._log_end(name)}")
            return holds()

        try:
            until(holds_while_all_run, _START_SECONDS, f"{what} did not answer")
        except WaitedTooLong as reason:
            raise ControlPlaneFailed(str(reason)) from reason

    def _log_end(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-10:])

    def stop(self) -> None:
        """End what was started, the last first; only processes of our own."""
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(programs: Programs, report: Report) -> Iterator[ControlPlane]:
    """A control plane of our own, ended and forgotten at the end."""
    with tempfile.TemporaryDirectory(prefix="attune-kubernetes-") as folder:
        plane = ControlPlane(Path(folder), programs, _free_ports("etcd", "peer", "api", "controllers", "scheduler"))
        begun = time.monotonic()
        try:
            _start(plane)
            report(
                f"the control plane answers after {time.monotonic() - begun:.1f} s on {LOOPBACK}:{plane.ports['api']}"
            )
            yield plane
        finally:
            plane.stop()


def _free_ports(*names: str) -> dict[str, int]:
    with contextlib.ExitStack() as held:
        listeners = {name: held.enter_context(socket.socket()) for name in names}
        for listener in listeners.values():
            listener.bind((LOOPBACK, 0))
        return {name: listener.getsockname()[1] for name, listener in listeners.items()}


def _start(plane: ControlPlane) -> None:
    _write_certificates(plane)
    etcd = f"http://{LOOPBACK}:{plane.ports['etcd']}"
    peer = f"http://{LOOPBACK}:{plane.ports['peer']}"
    plane.start(
        "etcd", "--name", "local", "--data-dir", str(plane.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "warn",
        "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"local={peer}",
    )  # fmt: skip
    _start_api_server(plane, etcd)
    plane.until("the API server", lambda: plane.run("kubectl", "get", "--raw", "/readyz").returncode == 0)
    _start_controllers(plane)
    _make_nodes(plane)


def _write_certificates(plane: ControlPlane) -> None:
    folder = plane.folder / "pki"
    folder.mkdir(mode=0o700)
    authority = make_authority(folder, "authority")
    sign_server(authority, "server", [LOOPBACK, _FIRST_SERVICE], ["localhost", "kubernetes.default.svc"])
    sign_client(authority, "administrator", "system:masters")
    write_key(folder, "accounts")

    def text(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "administrator"}}],
        "clusters": [
            {
                "name": "local",
                "cluster": {
                    "server": f"https://{LOOPBACK}:{plane.ports['api']}",
                    "certificate-authority-data": text("authority.crt"),
                },
            }
        ],
        "users": [
            {
                "name": "administrator",
                "user": {
                    "client-certificate-data": text("administrator.crt"),
                    "client-key-data": text("administrator.key"),
                },
            }
        ],
    }
    plane.kubeconfig.write_text(json.dumps(config))
    plane.kubeconfig.chmod(0o600)


def _start_api_server(plane: ControlPlane, etcd: str) -> None:
    pki = plane.folder / "pki"
    plane.start(
        "kube-apiserver", "--etcd-servers", etcd,
        "--bind-address", LOOPBACK, "--advertise-address", LOOPBACK, "--secure-port", str(plane.ports["api"]),
        "--endpoint-reconciler-type", "none", "--service-cluster-ip-range", _SERVICES,
        "--tls-cert-file", str(pki / "server.crt"), "--tls-private-key-file", str(pki / "server.key"),
        "--client-ca-file", str(pki / "authority.crt"), "--authorization-mode", "RBAC",
        "--service-account-issuer", "https://kubernetes.default.svc",
        "--service-account-key-file", str(pki / "accounts.key"),
        "--service-account-signing-key-file", str(pki / "accounts.key"), "--profiling=false",
    )  # fmt: skip


def _start_controllers(plane: ControlPlane) -> None:
    pki, config = plane.folder / "pki", str(plane.kubeconfig)
    access = [f"--{use}kubeconfig={config}" for use in ("", "authentication-", "authorization-")]
    shared = [*access, "--bind-address", LOOPBACK, "--cert-dir", str(pki), "--leader-elect=false", "--profiling=false"]
    plane.start(
        "kube-controller-manager", *shared, "--secure-port", str(plane.ports["controllers"]),
        "--service-account-private-key-file", str(pki / "accounts.key"), "--root-ca-file", str(pki / "authority.crt"),
        "--use-service-account-credentials",
    )  # fmt: skip
    plane.start("kube-scheduler", *shared, "--secure-port", str(plane.ports["scheduler"]))
    plane.start(
        "kwok", "--kubeconfig", config, "--config", str(plane.programs.stages), "--manage-all-nodes=true",
        "--node-lease-duration-seconds", "40", "--cidr", "10.244.0.0/16", "--node-ip", LOOPBACK,
    )  # fmt: skip


def _make_nodes(plane: ControlPlane) -> None:
    room = {"cpu": "64", "memory": "256Gi", "pods": "250", "ephemeral-storage": "500Gi"}
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"fake-{number}",
                "labels": {
                    "kubernetes.io/hostname": f"fake-{number}",
                    "kubernetes.io/os": "linux",
                    "topology.kubernetes.io/zone": f"zone-{number}",
                },
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "status": {"allocatable": room, "capacity": room},
        }
        for number in range(_NODES)
    ]
    plane.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
    plane.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
    plane.kubectl("create", "--filename", str(plane.programs.definitions))
    # A kind without any condition yet makes the wait fail instead of waiting.
    wait = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    plane.until("the kinds of other projects", lambda: plane.run("kubectl", *wait).returncode == 0)
    plane.until("the first account", lambda: bool(plane.run("kubectl", "get", "sa", "default", "-o", "name").stdout))
