"""The description of the API: valid, complete, with examples that are themselves valid, and the headers of writes."""

from typing import Any

import jsonschema
import pytest
import schemathesis

from services.gateway.app import create_app
from tests.gateway.conftest import settings_of
from tests.identity import Keyring

METHODS = {"get", "post", "put", "patch", "delete"}
ExampleOf = tuple[dict[str, Any], Any]


@pytest.fixture(scope="module")
def described(keyring: Keyring) -> dict[str, Any]:
    """What `/openapi.json` answers."""
    return create_app(settings_of(keyring)).openapi()


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def examples_in(schema: Any, described: dict[str, Any], seen: frozenset[str] = frozenset()) -> list[ExampleOf]:
    """Return each example within a schema, with the schema that it is one of."""
    if isinstance(schema, list):
        return [found for each in schema for found in examples_in(each, described, seen)]
    if not isinstance(schema, dict):
        return []
    reference = schema.get("$ref", "")
    if reference:
        name = reference.rsplit("/", 1)[1]
        followed = described["components"]["schemas"][name]
        return [] if name in seen else examples_in(followed, described, seen | {name})
    own = [(schema, example) for example in schema.get("examples", ())]
    return own + [
        found for key, each in schema.items() if key != "examples" for found in examples_in(each, described, seen)
    ]


def test_the_description_is_valid_openapi(described: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(described).validate()


def test_every_operation_says_what_it_does_and_what_an_error_looks_like(described: dict[str, Any]) -> None:
    found = operations(described)
    assert len(found) > 80
    for name, operation in found:
        assert operation["description"], name
        problem = operation["responses"]["4XX"]["content"]["application/problem+json"]["example"]
        assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}, name
    assert len({operation["operationId"] for _, operation in found}) == len(found)


def test_every_json_body_has_an_example_and_every_example_is_valid(described: dict[str, Any]) -> None:
    bare = []
    for name, operation in operations(described):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        examples = examples_in(content["schema"], described)
        if not examples:
            bare.append(name)
        for schema, example in examples:
            errors = jsonschema.Draft202012Validator({**schema, "components": described["components"]}).iter_errors(
                example
            )
            assert [error.message for error in errors] == [], name
    assert bare == []
