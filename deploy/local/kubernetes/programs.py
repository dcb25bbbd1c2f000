"""The programs of the control plane: built once from Go modules, kept in the user's cache for every checkout."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.temporal_binary import user_cache

KUBERNETES = "1.35.4"
HELM = "4.3.1"
HELM_3 = "3.22.0"  # still the one that most have
KWOK = "0.8.0"

_KUBERNETES_MODULE = "k8s.io/kubernetes"
_OF_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
# What a fake node and its pods do: get ready, renew their lease, complete the pods of Jobs, go away.
_STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
)
# The kinds of other projects of which the chart makes objects: module, version, file of the definition.
_DEFINITIONS = (
    ("sigs.k8s.io/gateway-api", "1.4.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
    *(
        (
            "github.com/prometheus-operator/prometheus-operator",
            "0.85.0",
            f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml",
        )
        for kind in ("servicemonitors", "prometheusrules")
    ),
    *(
        ("github.com/kedacore/keda/v2", "2.18.0", f"config/crd/bases/keda.sh_{kind}.yaml")
        for kind in ("scaledobjects", "triggerauthentications")
    ),
    ("github.com/cert-manager/cert-manager", "1.19.1", "deploy/crds/cert-manager.io_certificates.yaml"),
)
Report = Callable[[str], None]


class ProgramMissing(Exception):
    """A program is neither kept nor can it be built; the message says why."""


@dataclass(frozen=True)
class Programs:
    """The directory of the programs; a program's name there holds its version."""

    folder: Path

    @staticmethod
    def of_user(environment: Mapping[str, str] = os.environ) -> Programs:
        """Where this user's programs are kept."""
        return Programs(user_cache(environment))

    def path(self, name: str) -> Path:
        """Where one program is, or will be."""
        versions = {"helm": HELM, "helm3": HELM_3, "kwok": KWOK}
        return self.folder / f"{name}-{versions.get(name, KUBERNETES)}"

    @property
    def stages(self) -> Path:
        """What the fake nodes do."""
        return self.folder / f"kwok-stages-{KWOK}.yaml"

    @property
    def definitions(self) -> Path:
        """The kinds of other projects."""
        named = "-".join((*dict.fromkeys(version for _, version, _ in _DEFINITIONS), str(len(_DEFINITIONS))))
        return self.folder / f"kubernetes-kinds-{named}.yaml"

    def complete(self) -> bool:
        """Whether everything that the control plane needs is kept."""
        return not self.missing(CONTROL_PLANE) and self.stages.exists() and self.definitions.exists()

    def missing(self, names: tuple[str, ...]) -> list[str]:
        """Those that are not kept yet."""
        return [name for name in names if not os.access(self.path(name), os.X_OK)]


CONTROL_PLANE = ("etcd", *_OF_KUBERNETES, "helm", "helm3", "kwok")


def ensure(programs: Programs, names: tuple[str, ...], report: Report) -> None:
    """Build what is missing. Raises ProgramMissing with the reason where it cannot be built."""
    if not _incomplete(programs, names):
        return
    with _alone(programs, report):
        missing = _incomplete(programs, names)
        if missing and shutil.which("go") is None:
            raise ProgramMissing(f"not kept in {programs.folder}, and no Go to build them: {', '.join(missing)}")
        for name in missing:
            begun = time.monotonic()
            report(f"building {name} with Go (once; the whole control plane takes minutes on two cores)")
            _BUILDERS[name](programs, name)
            report(f"{name} built in {time.monotonic() - begun:.0f} s")


def helm(programs: Programs, report: Report) -> Path:
    """Helm from PATH, else the kept one, else built. Raises ProgramMissing where none can be had."""
    if found := shutil.which("helm"):
        return Path(found)
    ensure(programs, ("helm",), report)
    return programs.path("helm")


def _incomplete(programs: Programs, names: tuple[str, ...]) -> list[str]:
    missing = programs.missing(names)
    if "kwok" in names and "kwok" not in missing and not (programs.stages.exists() and programs.definitions.exists()):
        missing.append("kwok")
    return missing


@contextmanager
def _alone(programs: Programs, report: Report) -> Iterator[None]:
    """One build at a time for this user."""
    programs.folder.mkdir(parents=True, exist_ok=True)
    with (programs.folder / "kubernetes.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("the programs are being built by another run; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _go(*arguments: str, folder: Path, **environment: str) -> str:
    """Run Go at a low priority; its output. Raises ProgramMissing with the end of its complaint."""
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    done = subprocess.run(
        [*nice, "go", *arguments],
        cwd=folder,
        env={**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProgramMissing(f"go {' '.join(arguments[:2])} failed: " + "\n".join(done.stderr.splitlines()[-5:]))
    return done.stdout


def _module(programs: Programs, module: str, version: str) -> dict[str, Any]:
    """What Go tells of a module that it has downloaded."""
    answer: dict[str, Any] = json.loads(
        _go("mod", "download", "-json", f"{module}@v{version}", folder=programs.folder, GOFLAGS="-mod=mod")
    )
    return answer


def _install(programs: Programs, name: str, package: str, version: str, flags: str = "") -> None:
    """`go install`, into a directory of its own, then moved: a build that was cut off leaves nothing half done."""
    with _workshop(programs) as workshop:
        _go(
            "install", "-trimpath", "-ldflags", f"-s -w {flags}", f"{package}@v{version}",
            folder=workshop, GOBIN=str(workshop),
        )  # fmt: skip
        (workshop / package.rpartition("/")[2]).replace(programs.path(name))


@contextmanager
def _workshop(programs: Programs) -> Iterator[Path]:
    folder = programs.folder / "kubernetes-build"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build_of_kubernetes(programs: Programs, name: str) -> None:
    """A program of Kubernetes: its module replaces its libraries by folders, so a module of ours replaces them back."""
    source = Path(_module(programs, _KUBERNETES_MODULE, KUBERNETES)["Dir"])
    major, minor, _ = KUBERNETES.split(".")
    stamps = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    places = ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
    flags = " ".join(f"-X {place}.{key}={value}" for place in places for key, value in stamps.items())
    package = "go.etcd.io/etcd/server/v3" if name == "etcd" else f"{_KUBERNETES_MODULE}/cmd/{name}"
    with _workshop(programs) as workshop:
        (workshop / "go.mod").write_text(build_module((source / "go.mod").read_text()))
        (workshop / "go.sum").write_bytes((source / "go.sum").read_bytes())
        _go(
            "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(workshop / name), package,
            folder=workshop, GOFLAGS="-mod=mod",
        )  # fmt: skip
        (workshop / name).replace(programs.path(name))


def build_module(of_kubernetes: str) -> str:
    """The go.mod from which Kubernetes builds as a dependency: same Go, same etcd, its libraries by version."""
    libraries = re.findall(r"^\t(k8s\.io/[a-z-]+) => \./staging/", of_kubernetes, re.MULTILINE)
    etcd = re.findall(r"^\tgo\.etcd\.io/etcd/server/v3 (\S+)", of_kubernetes, re.MULTILINE)
    defaults = re.findall(r"^godebug default=.*$", of_kubernetes, re.MULTILINE)
    go = re.findall(r"^go .*$", of_kubernetes, re.MULTILINE)
    staging = "v0." + KUBERNETES.partition(".")[2]
    return "\n".join(
        [
            "module attune.invalid/kubernetes",
            *go,
            *defaults,
            f"require {_KUBERNETES_MODULE} v{KUBERNETES}",
            *(f"require go.etcd.io/etcd/server/v3 {version}" for version in etcd),
            *(f"replace {library} => {library} {staging}" for library in libraries),
            "",
        ]
    )


def _build_helm(programs: Programs, name: str) -> None:
    _install(programs, name, "helm.sh/helm/v4/cmd/helm", HELM, f"-X helm.sh/helm/v4/internal/version.version=v{HELM}")


def _build_helm_3(programs: Programs, name: str) -> None:
    """Helm 3 takes the version of Kubernetes that charts are rendered for from link flags."""
    _, minor, _ = KUBERNETES.split(".")
    module = "helm.sh/helm/v3"
    places = (f"{module}/pkg/chartutil", f"{module}/pkg/lint/rules")
    stamps = " ".join(f"-X {place}.k8sVersionMajor=1 -X {place}.k8sVersionMinor={minor}" for place in places)
    _install(programs, name, f"{module}/cmd/helm", HELM_3, f"-X {module}/internal/version.version=v{HELM_3} {stamps}")


def _build_kwok(programs: Programs, name: str) -> None:
    """The fake nodes, what they do by kwok's own published stages, and the kinds of other projects."""
    if programs.missing((name,)):
        _install(programs, name, "sigs.k8s.io/kwok/cmd/kwok", KWOK)
    folder = Path(_module(programs, "sigs.k8s.io/kwok", KWOK)["Dir"]) / "kustomize" / "stage"
    _write(programs.stages, [folder / f"{stage}.yaml" for stage in _STAGES])
    _write(
        programs.definitions,
        [Path(_module(programs, module, version)["Dir"]) / file for module, version, file in _DEFINITIONS],
    )


def _write(target: Path, documents: list[Path]) -> None:
    """Write a whole file or none."""
    partial = target.with_suffix(".partial")
    partial.write_text("".join(f"---\n{document.read_text()}\n" for document in documents))
    partial.replace(target)


_BUILDERS: Mapping[str, Callable[[Programs, str], None]] = {
    "helm": _build_helm,
    "helm3": _build_helm_3,
    "kwok": _build_kwok,
    **dict.fromkeys(("etcd", *_OF_KUBERNETES), _build_of_kubernetes),
}
