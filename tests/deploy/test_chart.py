"""The chart: valid to the letter for each values file, strict about values, and every pod held to the same rules."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.deploy.charts import (
    CHART,
    VALUES,
    component,
    container,
    load,
    manifest,
    of_kind,
    pods,
    rendered,
    template,
    topology,
)
from tests.deploy.kinds import complaint

CUSTOM = (
    "ServiceMonitor",
    "PrometheusRule",
    "ScaledObject",
    "TriggerAuthentication",
    "HTTPRoute",
    "Certificate",
)  # the control plane checks these
ALL = ["", *VALUES]


def test_there_is_a_values_file_for_each_size() -> None:
    assert set(VALUES) == {"small", "standard", "multi-tenant"}


@pytest.mark.parametrize("values", ALL)
def test_every_object_is_one_that_kubernetes_knows_to_the_last_field(values: str) -> None:
    core = [each for each in rendered(values) if each["kind"] not in CUSTOM]
    assert len(core) > 50
    assert [said for each in core if (said := complaint(each))] == []


def test_an_unknown_field_is_refused() -> None:
    planted = json.loads(json.dumps(next(of_kind(rendered("small"), "Deployment"))))
    planted["spec"]["template"]["spec"]["bogusField"] = 1
    assert "bogusField" in complaint(planted)


@pytest.mark.parametrize(
    ("setting", "refusal"),
    [
        ("image.tga=1", "'tga'"),
        ("settings.people.ATTUNE_PEOPLE_POOL=9", "'ATTUNE_PEOPLE_POOL'"),
        ("settings.people.ATTUNE_PEOPLE_POOL_SIZE=many", "/settings/people/ATTUNE_PEOPLE_POOL_SIZE"),
        ("settings.all.ATTUNE_MODE=local", "'ATTUNE_MODE'"),
        ("transport.kind=plain", "/transport/kind"),
        ("transport.certManager.enabled=true", "/transport/certManager/issuer"),
        ("processes.payroll.replicas=1", "'payroll'"),
        ("workers.keda.enabled=true", "/secrets/temporalApiKey"),  # KEDA speaks TLS by a certificate or a key only
        ("exposure.kind=ingress", "/exposure/hosts"),
        ("exposure.kind=gateway", "/exposure/gateway/parents"),
        ("secrets.owners=", "/secrets/owners"),
        ("secrets.databaseAuthority.secret=a,secrets.databaseAuthority.configMap=b", "/secrets/databaseAuthority"),
        ("image.digest=latest", "/image/digest"),
        ("drainSeconds=0", "/drainSeconds"),
    ],
)
def test_values_that_the_chart_does_not_know_are_refused(setting: str, refusal: str) -> None:
    done = template("--set", setting) if "POOL" not in setting else template("--set-string", setting)
    assert done.returncode != 0
    assert refusal in done.stderr


def schemas(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield path, schema
        for key, value in schema.items():
            yield from schemas(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from schemas(value, f"{path}/{index}")


def test_the_schema_knows_every_value_and_nothing_else() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    open_ended = [path for path, each in schemas(schema) if each.get("additionalProperties") is not False]
    assert open_ended == []
    assert set(load(CHART / "values.yaml")) == set(schema["properties"]) - {"global"}
    own = load(CHART / "values.yaml")["settings"]
    told = schema["properties"]["settings"]["properties"]
    assert {group: set(names) for group, names in own.items()} == {
        group: set(each["properties"]) for group, each in told.items()
    }


def test_the_schema_is_one() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--check-metaschema", str(CHART / "values.schema.json")]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("values", ALL)
def test_every_pod_is_restricted(values: str) -> None:
    for name, pod in pods(rendered(values)).items():
        spec, only = pod["spec"], container(pod)
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {*only["resources"]["requests"]} == {*only["resources"]["limits"]} == {"cpu", "memory"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
        assert all({*volume} <= {"name", "secret", "configMap", "emptyDir"} for volume in spec["volumes"])
        assert only["command"][0] == "python"
        assert spec["serviceAccountName"].endswith(name)


@pytest.mark.parametrize("values", ALL)
def test_every_process_is_probed_where_it_listens(values: str) -> None:
    for each in of_kind(rendered(values), "Deployment"):
        only = container(each["spec"]["template"])
        ports = {port["name"]: port["containerPort"] for port in only["ports"]}
        for probe in (only[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")):
            (way,) = {"grpc", "httpGet"} & probe.keys()
            port = probe[way]["port"]
            assert port in (ports if way == "httpGet" else ports.values())


@pytest.mark.parametrize("values", ALL)
def test_a_process_has_longer_to_end_than_it_takes(values: str) -> None:
    """Its own grace, after the pause in which it is taken out of the lists."""
    for each in of_kind(rendered(values), "Deployment"):
        pod = each["spec"]["template"]
        told = {entry["name"]: entry.get("value") for entry in container(pod)["env"]}
        grace = float(told.get("ATTUNE_WORKER_GRACE_SECONDS") or 10)
        pause = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["spec"]["terminationGracePeriodSeconds"] > grace + pause


@pytest.mark.parametrize("values", ALL)
def test_every_process_has_its_account_service_budget_policy_and_spread(values: str) -> None:
    objects = rendered(values)
    deployments = list(of_kind(objects, "Deployment"))
    assert {component(each) for each in deployments} == topology().keys()
    for kind in ("ServiceAccount", "Service", "PodDisruptionBudget", "NetworkPolicy"):
        assert {component(each) for each in of_kind(objects, kind)} >= topology().keys(), kind
    for each in deployments:
        labels = each["spec"]["selector"]["matchLabels"]
        assert labels.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        keys = {spread["topologyKey"] for spread in each["spec"]["template"]["spec"]["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


@pytest.mark.parametrize("values", ALL)
def test_grpc_is_balanced_over_the_pods_themselves(values: str) -> None:
    headless = {
        component(each) for each in of_kind(rendered(values), "Service") if each["spec"].get("clusterIP") == "None"
    }
    assert headless == topology().keys() - {"gateway"}


@pytest.mark.parametrize("values", ALL)
def test_what_is_scaled_has_no_fixed_number(values: str) -> None:
    objects = rendered(values)
    scaled = {
        each["spec"]["scaleTargetRef"]["name"] for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    }
    for each in of_kind(objects, "Deployment"):
        assert ("replicas" in each["spec"]) == (each["metadata"]["name"] not in scaled)


KEDA = ("--set", "workers.keda.enabled=true,temporal.tls.certificate=true")
SCALED_BY_CPU = ("--set", "workers.cycle.autoscaling.enabled=true,workers.bulk.autoscaling.enabled=true")
NOT_SCALED = ("--set", "workers.cycle.autoscaling.enabled=false,workers.bulk.autoscaling.enabled=false")


@pytest.mark.parametrize("values", ALL)
@pytest.mark.parametrize("chosen", [(), KEDA, SCALED_BY_CPU, (*KEDA, *SCALED_BY_CPU), (*KEDA, *NOT_SCALED)])
def test_one_thing_at_most_scales_a_deployment(values: str, chosen: tuple[str, ...]) -> None:
    """KEDA makes an autoscaler of its own: two that count differently would pull at one number."""
    objects = rendered(values, *chosen)
    scalers = list(of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"))
    targets = [each["spec"]["scaleTargetRef"]["name"] for each in scalers]
    assert len(targets) == len(set(targets))
    assert set(targets) == {
        each["metadata"]["name"] for each in of_kind(objects, "Deployment") if "replicas" not in each["spec"]
    }
    assert {component(each) for each in of_kind(objects, "ScaledObject")} <= {"worker-cycle", "worker-bulk"}


def test_keda_reaches_an_engine_behind_tls_by_the_workers_own_files() -> None:
    objects = rendered("standard", *KEDA)
    shown = {
        each["metadata"]["name"]: each["spec"]["secretTargetRef"] for each in of_kind(objects, "TriggerAuthentication")
    }
    assert {entry["parameter"] for entries in shown.values() for entry in entries} == {"cert", "key", "ca"}
    assert {entry["name"] for entries in shown.values() for entry in entries} == {"attune-temporal-tls"}
    for each in of_kind(objects, "ScaledObject"):
        (trigger,) = each["spec"]["triggers"]
        assert trigger["authenticationRef"]["name"] in shown
    assert not list(of_kind(rendered("multi-tenant"), "TriggerAuthentication"))


def test_workers_follow_their_queues_where_keda_is() -> None:
    scaled = {component(each): each for each in of_kind(rendered("multi-tenant"), "ScaledObject")}
    queues = {name: each["spec"]["triggers"][0]["metadata"]["taskQueue"] for name, each in scaled.items()}
    assert queues == {"worker-cycle": "cycle", "worker-bulk": "bulk"}
    assert not list(of_kind(rendered("standard"), "ScaledObject"))


def test_the_rules_of_prometheus_are_those_of_the_repository() -> None:
    (rule,) = of_kind(rendered("standard"), "PrometheusRule")
    alerts = load(CHART.parents[2] / "deploy" / "observability" / "alerts.yml")
    assert rule["spec"] == alerts
    assert alerts["groups"]


def test_each_process_gets_a_certificate_of_its_own_name() -> None:
    made = {each["spec"]["secretName"]: each["spec"]["dnsNames"] for each in of_kind(rendered("small"), "Certificate")}
    names = ("gateway", "people", "goals", "reviews", "scoring", "notify", "worker")
    assert made == {"attune-tls-bridge": ["bridge", "engine"], **{f"attune-tls-{name}": [name] for name in names}}
    for pod in pods(rendered("small")).values():
        mounted = {
            volume["name"]: volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume
        }
        assert "tls" not in mounted or mounted["tls"].removeprefix("attune-tls-") == mounted["identity"][16:]


def test_the_setup_runs_before_the_processes_in_its_order() -> None:
    jobs = {component(each): each for each in of_kind(rendered("small"), "Job")}
    notes = {name: each["metadata"]["annotations"] for name, each in jobs.items()}
    assert sorted(notes, key=lambda name: int(notes[name]["helm.sh/hook-weight"])) == [
        "setup-database",
        "setup-migrations",
        "setup-engine",
    ]
    assert {note["helm.sh/hook"] for note in notes.values()} == {"pre-install,pre-upgrade"}


@pytest.mark.parametrize(
    ("values", "kind"), [("small", "Ingress"), ("standard", "Ingress"), ("multi-tenant", "HTTPRoute")]
)
def test_only_the_gateway_is_shown_to_the_world(values: str, kind: str) -> None:
    (shown,) = of_kind(rendered(values), "Ingress", "HTTPRoute")
    assert shown["kind"] == kind
    assert "attune-gateway" in json.dumps(shown["spec"])
    assert not any(
        each["spec"].get("type", "ClusterIP") != "ClusterIP" for each in of_kind(rendered(values), "Service")
    )


def test_every_key_in_yaml_is_written_once() -> None:
    for text in manifest("standard").split("\n---\n"):
        YAML(typ="safe").load(text)  # raises on a key that comes twice


def test_the_chart_takes_its_version_from_the_project() -> None:
    project = (CHART.parents[2] / "pyproject.toml").read_text()
    chart = load(CHART / "Chart.yaml")
    assert f'version = "{chart["appVersion"]}"' in project
    assert Path(CHART).name == chart["name"]
