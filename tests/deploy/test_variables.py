"""The chart tells each process exactly what its settings class reads, in values that the class takes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from deploy.names import SERVICES
from deploy.operations.reach import find_installation
from services.runtime.settings import ProcessSettings
from services.runtime.settings import load as load_settings
from tests.deploy.charts import CHART, VALUES, Object, container, load, pods, rendered
from tests.deploy.variables import CLASSES, choices, variable, variables

# What stands in for the Secrets' contents.
SAMPLES: Mapping[str, str] = {
    "url": "postgresql+asyncpg://people_app:Zk3-long@db.example:5432/attune?ssl=verify-full",
    "system-url": "postgresql+asyncpg://people_system:Zk3-long@db.example:5432/attune?ssl=verify-full",
    "keys": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "password": "a password",
}


def told(pod: Object) -> dict[str, str]:
    environment = {}
    for entry in container(pod)["env"]:
        assert entry["name"] not in environment, f"{entry['name']} is told twice"
        key = entry.get("valueFrom", {}).get("secretKeyRef", {}).get("key")
        environment[entry["name"]] = SAMPLES.get(key, "sample") if key else entry["value"]
    return environment


@pytest.mark.parametrize("values", ["", *VALUES])
def test_a_process_is_told_all_that_its_class_reads_and_nothing_else(values: str) -> None:
    for component, pod in pods(rendered(values)).items():
        job = component.removeprefix("setup-")
        wanted = choices(values).expected(component) if component in CLASSES else choices(values).expected_of_job(job)
        assert told(pod).keys() == wanted, component


@pytest.mark.parametrize("values", ["", *VALUES])
def test_operators_commands_find_the_installation_by_what_they_are_told(
    values: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in told(pods(rendered(values))["operations"]).items():
        monkeypatch.setenv(name, value)
    found = find_installation()
    assert found.urls.keys() == {f"{service}_{role}" for service in SERVICES for role in ("owner", "system")}
    assert found.temporal.temporal_namespace


@pytest.mark.parametrize("values", ["", *VALUES])
@pytest.mark.parametrize("component", CLASSES)
def test_every_reason_not_to_tell_is_about_a_variable_that_exists(component: str, values: str) -> None:
    assert choices(values).untold(component).keys() <= variables(CLASSES[component])


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("component", CLASSES)
def test_production_takes_what_is_told(values: str, component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables(CLASSES[component]):
        monkeypatch.delenv(name, raising=False)
    for name, value in told(pods(rendered(values))[component]).items():
        monkeypatch.setenv(name, value)
    kind = CLASSES[component]
    assert issubclass(kind, ProcessSettings)
    assert load_settings(kind).mode == "production"


@pytest.mark.parametrize("component", CLASSES)
def test_the_chart_repeats_the_defaults_of_the_classes(component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = CLASSES[component]
    settings = load(CHART / "values.yaml")["settings"]
    own: Mapping[str, str] = {**settings["all"], **settings[component.partition("-")[0]]}
    fields = {variable(kind, field): field for field in kind.model_fields}
    for name, value in {**told(pods(rendered("small"))[component]), **own}.items():
        monkeypatch.setenv(name, value)
    read = kind()
    assert {name: getattr(read, fields[name]) for name in own} == {
        name: kind.model_fields[fields[name]].default for name in own
    }


@pytest.mark.parametrize("values", ["", *VALUES])
def test_nothing_that_looks_like_a_secret_stands_in_the_chart(values: str) -> None:
    for component, pod in pods(rendered(values)).items():
        for entry in container(pod)["env"]:
            if re.search(r"PASSWORD|PAYLOAD_KEY|DATABASE_URL|REDIS_URL", entry["name"]):
                assert entry.get("value", "") == "", (component, entry["name"])
