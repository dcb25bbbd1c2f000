"""The chart as Helm renders it, and what its objects say."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local.kubernetes.programs import Programs, helm
from deploy.local.layout import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "attune"
VALUES = tuple(sorted(file.stem for file in (CHART / "values").glob("*.yaml")))
NAMESPACE = "attune"
Object = Mapping[str, Any]


def load(file: Path) -> Any:
    """One YAML document."""
    return YAML(typ="safe").load(file)


@functools.cache
def topology() -> Mapping[str, Object]:
    """The table of processes and calls."""
    table: Mapping[str, Object] = load(CHART / "topology.yaml")
    return table


@functools.cache
def helm_program() -> Path:
    """Helm, built once for this user where it is not installed."""
    return helm(Programs.of_user(), print)


def template(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm template` of the chart."""
    command = [str(helm_program()), "template", "attune", str(CHART), "--namespace", NAMESPACE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@functools.cache
def manifest(values: str = "", *more: str) -> str:
    """The chart rendered with one of its values files."""
    chosen = ["--values", str(CHART / "values" / f"{values}.yaml")] if values else []
    done = template(*chosen, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def rendered(values: str = "", *more: str) -> tuple[Object, ...]:
    """The objects of the rendered chart."""
    return tuple(each for each in YAML(typ="safe").load_all(manifest(values, *more)) if each)


def of_kind(objects: tuple[Object, ...], *kinds: str) -> Iterator[Object]:
    """The objects of these kinds."""
    yield from (each for each in objects if each["kind"] in kinds)


def component(thing: Object) -> str:
    """Which component an object belongs to."""
    name: str = thing["metadata"]["labels"]["app.kubernetes.io/component"]
    return name


def pods(objects: tuple[Object, ...]) -> dict[str, Object]:
    """The pod template of each component."""
    made = {component(each): each["spec"]["template"] for each in of_kind(objects, "Deployment", "Job")}
    later = {component(each): each["spec"]["jobTemplate"]["spec"]["template"] for each in of_kind(objects, "CronJob")}
    return made | later


def container(pod: Object) -> Object:
    """The one container of a pod."""
    (only,) = pod["spec"]["containers"]
    found: Object = only
    return found
