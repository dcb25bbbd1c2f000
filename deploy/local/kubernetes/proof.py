"""What is shown on the control plane: every object is valid; each values file installs, upgrades, rolls back, goes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local.kubernetes.control_plane import ControlPlane
from deploy.local.kubernetes.programs import KUBERNETES
from deploy.local.layout import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "attune"
RUNBOOK = REPOSITORY / "docs" / "operations" / "deploy.md"
PREVIOUS = REPOSITORY / "deploy" / "PREVIOUS"  # the commit whose release is upgraded from
RELEASE = "attune"
_WAIT = ("--wait", "--timeout", "5m")
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
# What a hook has made stays for a day, so that its output can be read.
_LEFT = frozenset({"Job"})
_KEDA = ("--set", "workers.keda.enabled=true")
_KINDS = (
    "deploy,svc,sa,pdb,hpa,netpol,ingress,job,cronjob,"
    "scaledobject,triggerauthentication,httproute,certificate,servicemonitor,prometheusrule"
)
_JOBS = ("setup-database", "setup-migrations", "setup-engine")


class NotShown(Exception):
    """Something is not as it has to be; the message says what was seen instead."""


@dataclass
class Proof:
    """The checks, one after the other; each is told, whatever became of the others."""

    plane: ControlPlane
    report: Callable[[str], None]
    failed: int = 0
    passed: int = 0
    values: tuple[str, ...] = field(
        default_factory=lambda: tuple(sorted(each.stem for each in (CHART / "values").glob("*.yaml")))
    )

    def run(self) -> bool:
        """Show everything; whether all of it was seen."""
        self._show("a planted unknown field is refused by the API server", self._refuses_planted_field)
        self._show("Pod Security refuses a pod that is not restricted", self._refuses_plain_pod)
        for values in self.values:
            self._show(f"{values}: every object passes strict server-side validation", partial(self._validate, values))
            self._show(f"{values}: install, upgrade, rollback, uninstall", partial(self._live_through, values))
        self._show("standard with KEDA: every object is valid, too", partial(self._validate, "standard", *_KEDA))
        self._show("the runbook's commands, and every Secret that pods name is one of its", self._follow_runbook)
        self._show("standard: Helm 3 installs it, too", partial(self._installs_with_helm_3, "standard"))
        self.report(f"{self.passed} passed, {self.failed} failed")
        return not self.failed

    def _show(self, what: str, check: Callable[[], str]) -> None:
        try:
            seen = check()
        except (NotShown, subprocess.TimeoutExpired) as reason:
            self.failed += 1
            self.report(f"NOT ok  {what}\n        " + "\n        ".join(str(reason).splitlines()))
        else:
            self.passed += 1
            self.report(f"ok      {what}" + (f": {seen}" if seen else ""))

    def _refuses_planted_field(self) -> str:
        namespace = self._namespace("planted")
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / CHART.name
            shutil.copytree(CHART, chart)
            template = chart / "templates" / "deployments.yaml"
            template.write_text(template.read_text().replace("\nspec:\n", "\nspec:\n  bogusField: 1\n", 1))
            manifest = self._template(chart, "small", namespace)
            done = self._apply_dry(namespace, manifest)
            installed = self._helm("install", str(chart), namespace, *_values(chart, "small"), "--no-hooks")
        self._gone(namespace)
        for refused in (done, installed):
            if refused.returncode == 0 or "bogusField" not in refused.stderr:
                raise NotShown(f"accepted, or refused for another reason: {refused.stderr[-500:]}")
        return "by kubectl apply and by helm install"

    def _refuses_plain_pod(self) -> str:
        namespace = self._namespace("plain")
        done = self.plane.run("kubectl", "-n", namespace, "run", "plain", "--image=attune:0", "--dry-run=server")
        self._gone(namespace)
        if done.returncode == 0 or "violates PodSecurity" not in done.stderr:
            raise NotShown(f"accepted, or refused for another reason: {done.stderr[-500:]}")
        return ""

    def _validate(self, values: str, *more: str) -> str:
        namespace = self._namespace(f"valid-{values}{len(more)}")
        manifest = self._template(CHART, values, namespace, *more)
        done = self._apply_dry(namespace, manifest)
        self._gone(namespace)
        if done.returncode or "would violate" in done.stderr:
            raise NotShown(done.stderr[-2000:])
        return f"{len(done.stdout.splitlines())} objects"

    def _live_through(self, values: str) -> str:
        namespace = self._namespace(values)
        with tempfile.TemporaryDirectory() as folder:
            previous, name = previous_chart(Path(folder))
            chosen = _values(previous, values)
            self._succeeds("install", previous, namespace, *chosen, "--set", "image.tag=0.0.1", *_WAIT)
            # Whoever upgrades keeps the values of before at first: what they chose then the chart still takes.
            self._succeeds("upgrade", CHART, namespace, *chosen, "--set", "image.tag=0.0.2", *_WAIT)
        before = self._jobs(namespace)
        self._succeeds("upgrade", CHART, namespace, *_values(CHART, values), "--set", "image.tag=0.0.3", *_WAIT)
        if set(before.values()) & set(self._jobs(namespace).values()):
            raise NotShown("the hooks did not run again at the upgrade")
        if self._images(namespace) != {"attune:0.0.3"}:
            raise NotShown(f"after the upgrade there is {self._images(namespace)}")
        pods = self._ready_pods(namespace)
        self._rolled_back(namespace, {"attune:0.0.1"})
        self._uninstalled(namespace)
        self._gone(namespace)
        return f"from {name}; {len(before)} hook jobs ran each time, {pods} pods ready"

    def _rolled_back(self, namespace: str, old: set[str]) -> None:
        done = self.plane.run("helm", "rollback", RELEASE, "1", "--namespace", namespace, *_WAIT)
        if done.returncode or self._images(namespace) != old:
            raise NotShown(f"rollback: {done.stderr[-1000:]} {self._images(namespace)}")

    def _uninstalled(self, namespace: str) -> None:
        done = self.plane.run("helm", "uninstall", RELEASE, "--namespace", namespace, *_WAIT)
        if done.returncode:
            raise NotShown(f"uninstall: {done.stderr[-1000:]}")
        left = [
            f"{each['kind']} {each['metadata']['name']}"
            for each in self._items(namespace, _KINDS, "app.kubernetes.io/part-of=attune")
            if each["kind"] not in _LEFT
        ]
        if left:
            raise NotShown(f"left behind: {', '.join(left)}")

    def _installs_with_helm_3(self, values: str) -> str:
        namespace = self._namespace("helm-3")
        for command in (("lint", "--strict", str(CHART)), ("install", RELEASE, str(CHART), *_WAIT)):
            done = self.plane.run("helm3", *command, "--namespace", namespace, *_values(CHART, values))
            if done.returncode or "unknown field" in done.stderr or "would violate" in done.stderr:
                raise NotShown(f"{command[0]}: {done.stdout[-500:]} {done.stderr[-1000:]}")
        done = self.plane.run("helm3", "uninstall", RELEASE, "--namespace", namespace, "--wait")
        self._gone(namespace)
        if done.returncode:
            raise NotShown(done.stderr[-1000:])
        return ""

    def _follow_runbook(self) -> str:
        blocks = list(sh_blocks(RUNBOOK.read_text().partition("## Kubernetes")[2].partition("\n## ")[0]))
        with tempfile.TemporaryDirectory() as folder:
            for name in ("helm", "kubectl"):
                (Path(folder) / name).symlink_to(self.plane.programs.path(name))
            path = f"{folder}:{self.plane.environment['PATH']}"
            installed = next(index for index, block in enumerate(blocks) if "helm install" in block)
            self._run_script("\n".join(blocks[:installed]), path)
            self._names_secrets_that_exist("attune")
            for block in blocks[installed:]:
                self._run_script(block, path)
        self._gone("attune")
        return f"{len(blocks)} blocks"

    def _run_script(self, script: str, path: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=REPOSITORY,
            env={**self.plane.environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            raise NotShown(f"{script}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}")

    def _names_secrets_that_exist(self, namespace: str) -> None:
        secrets = json.loads(self.plane.kubectl("-n", namespace, "get", "secrets,configmaps", "-o", "json"))["items"]
        held = {each["metadata"]["name"]: set(each.get("data", {})) for each in secrets}
        for values in self.values:
            objects = YAML(typ="safe").load_all(self._template(CHART, values, namespace))
            given = {(name, key) for name, keys in held.items() for key in ("", *keys)}
            missing = {named for each in objects if each for named in named_secrets(each)} - given
            if missing:
                raise NotShown(f"{values}: pods name {sorted(missing)}, which the runbook does not make")

    def _template(self, chart: Path, values: str, namespace: str, *more: str) -> str:
        done = self.plane.run(
            "helm", "template", RELEASE, str(chart), "--namespace", namespace, *_values(chart, values),
            "--kube-version", KUBERNETES, *more,
        )  # fmt: skip
        if done.returncode:
            raise NotShown(done.stderr[-2000:])
        return done.stdout

    def _apply_dry(self, namespace: str, manifest: str) -> subprocess.CompletedProcess[str]:
        return self.plane.run(
            "kubectl", "-n", namespace, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
            given=manifest,
        )  # fmt: skip

    def _helm(self, action: str, chart: str, namespace: str, *more: str) -> subprocess.CompletedProcess[str]:
        return self.plane.run("helm", action, RELEASE, chart, "--namespace", namespace, *more)

    def _succeeds(self, action: str, chart: Path, namespace: str, *more: str) -> None:
        done = self._helm(action, str(chart), namespace, *more)
        if done.returncode or "would violate" in done.stderr:
            raise NotShown(f"{action}: {done.stderr[-1500:]}\n{self._events(namespace)}")
        jobs = self._items(namespace, "jobs", "app.kubernetes.io/part-of=attune")
        ended = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in jobs if _completed(each)}
        if not ended >= set(_JOBS) or len(ended) != len(jobs):
            raise NotShown(f"{action}: of the hook jobs only {sorted(ended)} completed")

    def _jobs(self, namespace: str) -> dict[str, str]:
        jobs = self._items(namespace, "jobs", "app.kubernetes.io/part-of=attune")
        return {each["metadata"]["name"]: each["metadata"]["uid"] for each in jobs}

    def _images(self, namespace: str) -> set[str]:
        deployments = self._items(namespace, "deployments", "app.kubernetes.io/part-of=attune")
        return {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in deployments}

    def _ready_pods(self, namespace: str) -> int:
        deployments = self._items(namespace, "deployments", "app.kubernetes.io/part-of=attune")
        for each in deployments:
            state = each["status"]
            if state.get("availableReplicas", 0) < 1 or state.get("updatedReplicas") != state.get("replicas"):
                raise NotShown(f"{each['metadata']['name']} is not rolled out: {state}")
        return sum(each["status"]["availableReplicas"] for each in deployments)

    def _items(self, namespace: str, kinds: str, selector: str) -> list[Mapping[str, Any]]:
        found = self.plane.kubectl("-n", namespace, "get", kinds, "-l", selector, "-o", "json")
        items: list[Mapping[str, Any]] = json.loads(found)["items"]
        return items

    def _events(self, namespace: str) -> str:
        return self.plane.run("kubectl", "-n", namespace, "events", "--types=Warning").stdout[-1500:]

    def _namespace(self, name: str) -> str:
        """A namespace whose pods must be restricted."""
        namespace = f"attune-{name}"
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": _RESTRICTED}}
        self.plane.kubectl("create", "-f", "-", given=json.dumps(made))
        return namespace

    def _gone(self, namespace: str) -> None:
        self.plane.kubectl("delete", "namespace", namespace, "--wait=false")


def sh_blocks(text: str) -> Iterator[str]:
    """The commands of a runbook that are to be executed."""
    yield from re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def named_secrets(thing: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each Secret or ConfigMap that an object's pods are told from or mount, with the key where one is named."""
    spec = thing.get("spec", {})
    pod = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec", {})
    for container in pod.get("containers", ()):
        for variable in container.get("env", ()):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield reference["name"], reference["key"]
    for volume in pod.get("volumes", ()):
        for kind, called in (("secret", "secretName"), ("configMap", "name")):
            if held := volume.get(kind):
                yield from ((held[called], item["key"]) for item in held.get("items", [{"key": ""}]))


def _values(chart: Path, name: str) -> tuple[str, ...]:
    file = chart / "values" / f"{name}.yaml"
    return ("--values", str(file)) if file.exists() else ()


def _completed(job: Mapping[str, Any]) -> bool:
    conditions = job["status"].get("conditions", [])
    return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)


def previous_chart(folder: Path, previous: Path = PREVIOUS) -> tuple[Path, str]:
    """The chart of the release before, from the history. Raises NotShown where this clone does not have it."""
    inside, commit = CHART.relative_to(REPOSITORY), previous.read_text().strip()
    command = ["git", "archive", commit, str(inside), "deploy/observability"]
    archive = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    if archive.returncode:
        raise NotShown(
            f"deploy/PREVIOUS names {commit}, whose chart this clone does not have: the upgrade was NOT shown."
            f" Clone with full history (git fetch --unshallow). git said: {archive.stderr.decode().strip()}"
        )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    version = YAML(typ="safe").load(folder / inside / "Chart.yaml")["version"]
    return folder / inside, f"the chart {version} of {commit[:10]}"
