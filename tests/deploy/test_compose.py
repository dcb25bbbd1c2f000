"""The compose file: valid by its schema, tells each process what its class reads, and starts things in order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from services.runtime.settings import ProcessSettings, load
from tests.deploy.charts import topology
from tests.deploy.compose import BASE, JOBS, OVERLAYS, PROCESSES, NotSet, composed, passwords
from tests.deploy.variables import CLASSES, COMPOSE, variable, variables

ISSUER = "ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE"
FILES = [BASE, *(OVERLAYS / f"{name}.yml" for name in ("trial", "observability"))]


def component(process: str) -> str:
    """One worker works on both queues here."""
    return "worker-cycle" if process == "worker" else process


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_files_are_valid_by_the_schema_of_compose(file: object) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_is_told_all_that_its_class_reads_and_nothing_else(process: str) -> None:
    assert composed()[process]["environment"].keys() == COMPOSE.expected(component(process))
    assert composed("trial")[process]["environment"].keys() == COMPOSE.expected(component(process)) | (
        {ISSUER} if process == "gateway" else set()
    )
    assert composed("observability")[process]["environment"].keys() == COMPOSE.expected(component(process))


@pytest.mark.parametrize("job", JOBS)
def test_a_job_is_told_what_it_reads(job: str) -> None:
    wanted = frozenset[str]() if job == "keys" else COMPOSE.expected_of_job(job)
    assert composed()[job].get("environment", {}).keys() == wanted


@pytest.mark.parametrize("process", PROCESSES)
def test_production_takes_what_is_told_and_the_defaults_are_those_of_the_classes(
    process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = CLASSES[component(process)]
    given = {f"ATTUNE_GATEWAY_OIDC_{name}": "https://login.example.com" for name in ("ISSUER", "AUDIENCE", "JWKS_URL")}
    told: Mapping[str, str] = composed(variables={**passwords(), **given})[process]["environment"]
    for name in variables(kind):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert issubclass(kind, ProcessSettings)
    read = load(kind)
    assert read.mode == "production"
    fields = {variable(kind, field): field for field in kind.model_fields}
    may_be_set = [name for name in told if f"{name}: ${{{name}:-" in BASE.read_text() and name not in given]
    assert may_be_set
    for name in may_be_set:
        assert getattr(read, fields[name]) == kind.model_fields[fields[name]].default, name


@pytest.mark.parametrize("process", PROCESSES)
def test_addresses_are_those_of_the_table_of_calls(process: str) -> None:
    told = composed()[process]["environment"]
    for called in topology()[component(process)]["calls"]:
        server = "bridge" if called == "engine" else called
        port = topology()[server]["port"]["number"]
        assert told[f"ATTUNE_{called.upper()}_ADDRESS"] == f"{server}:{port}"
        assert f"grpc://127.0.0.1:{port}" in composed()[server]["healthcheck"]["test"] or server == "bridge"
    assert not COMPOSE.untold(component(process)).keys() & told.keys()


def test_every_process_waits_for_what_it_needs() -> None:
    services = composed()
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            job = needed in (*JOBS, "temporal-schema")
            assert how["condition"] == ("service_completed_successfully" if job else "service_healthy"), name
            assert job or "healthcheck" in services[needed]
    waits = {name: set(services[name]["depends_on"]) for name in PROCESSES}
    assert all({"keys", "migrations"} <= waits[name] for name in ("people", "goals", "reviews", "scoring", "notify"))
    assert "engine" in waits["worker"] & waits["bridge"]
    assert set(services["migrations"]["depends_on"]) == {"database"}


@pytest.mark.parametrize("name", [*PROCESSES, *JOBS])
def test_every_container_of_ours_is_as_closed_as_in_the_cluster(name: str) -> None:
    service = composed()[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    if name in PROCESSES:
        assert service["healthcheck"]["test"][:4] == ["CMD", "python", "-m", "deploy.jobs.health"]
        assert int(service["stop_grace_period"].removesuffix("s")) > 10


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_sees_its_own_private_key_only(process: str) -> None:
    seen = {each["target"]: each["volume"]["subpath"] for each in composed()[process]["volumes"]}
    assert seen == {"/etc/attune/identity": process, "/etc/attune/public": "public"}


def test_what_is_published_is_published_on_this_machine_only() -> None:
    published = [port for service in composed("trial", "observability").values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_nothing_starts_without_passwords() -> None:
    with pytest.raises(NotSet):
        composed(variables={})


def test_the_observability_files_are_those_of_the_repository() -> None:
    for service in composed("observability").values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and not volume["source"].startswith("deploy/observability"):
                assert (BASE.parent / volume["source"]).exists(), volume["source"]
