"""Kubernetes' own kinds as strict schemas: a field that a kind does not have is an error."""

from __future__ import annotations

import functools
import re
from typing import Any

import jsonschema
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from deploy.local.kubernetes.programs import KUBERNETES

FOLDER = f"kubernetes-json-schema/v{KUBERNETES.rpartition('.')[0]}.0-local-strict"


@functools.cache
def _definitions() -> Registry[Any]:
    """What the kinds are made of: megabytes, so read once."""
    return Resource.from_contents(schema_contents(f"{FOLDER}/_definitions.json", KUBERNETES)) @ Registry()


@functools.cache
def _validator(kind: str, version: str) -> Any:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    schema = schema_contents(f"{FOLDER}/{kind.lower()}-{group}.json", KUBERNETES)
    return jsonschema.Draft202012Validator(schema, registry=_definitions())


def complaint(thing: Any) -> str:
    """What is wrong with an object; nothing, when nothing is."""
    error = jsonschema.exceptions.best_match(_validator(thing["kind"], thing["apiVersion"]).iter_errors(thing))
    return f"{thing['kind']} {thing['metadata']['name']}: {error.message}" if error else ""
