"""The compose file as Docker reads it: overlays merged, variables filled in."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from deploy.jobs.passwords import lines
from deploy.local.layout import REPOSITORY

BASE = REPOSITORY / "docker-compose.yml"
OVERLAYS = REPOSITORY / "deploy" / "compose"
JOBS = ("keys", "database", "migrations", "engine")
PROCESSES = ("gateway", "people", "goals", "reviews", "scoring", "notify", "worker", "bridge")
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


class NotSet(Exception):
    """A variable that must be set is not."""


@functools.cache
def passwords() -> Mapping[str, str]:
    """What `.env` holds after it was made."""
    return dict(line.split("=", 1) for line in lines())


def composed(*overlays: str, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The services of the base file with overlays, as one mapping. Raises NotSet."""
    given = passwords() if variables is None else variables
    services: dict[str, Any] = {}
    for file in (BASE, *(OVERLAYS / f"{overlay}.yml" for overlay in overlays)):
        document = filled(YAML(typ="safe").load(file), given)
        for name, service in document["services"].items():
            services[name] = merged(services.get(name, {}), service)
    return services


def filled(node: Any, given: Mapping[str, str]) -> Any:
    """The node with its variables filled in."""
    if isinstance(node, dict):
        return {key: filled(value, given) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(each, given) for each in node]
    return _VARIABLE.sub(lambda found: _value(found, given), node) if isinstance(node, str) else node


def _value(found: re.Match[str], given: Mapping[str, str]) -> str:
    name, kind, default = found.groups()
    if given.get(name):
        return given[name]
    if kind == "-":
        return str(default)
    raise NotSet(name)


def merged(under: Any, over: Any) -> Any:
    """Mappings are merged, lists are joined, anything else is replaced."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{key: merged(under[key], value) if key in under else value for key, value in over.items()}}
    if isinstance(under, list) and isinstance(over, list):
        return [*under, *over]
    return over
