"""Alerts and dashboards name only what is emitted, each alert is tested and told how to answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.local.layout import REPOSITORY
from deploy.local.ports import STANDARD
from workflows.sdk_metrics import EXPOSED, exposed

FOLDER = REPOSITORY / "deploy" / "observability"
REGISTRY = tomllib.loads((FOLDER / "registry.toml").read_text())
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
RUNBOOK = REPOSITORY / "docs" / "operations" / "telemetry.md"
METRIC = re.compile(r"\b(?:attune|temporal|process|python)_[a-z0-9_]+")
BY = re.compile(r"\bby \(([^)]*)\)")
OF_SCRAPING = {"service", "instance", "job"}  # labels that Prometheus adds, by prometheus.yml or the ServiceMonitor


def yaml(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text())


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml("alerts.yml")["groups"] for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str]]:
    """Every query with the place where it stands."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target["expr"]


def series() -> dict[str, set[str]]:
    """The names that a query may use, with their labels; of a histogram those of its parts."""
    found: dict[str, set[str]] = {name: set() for name in REGISTRY["process"]["metrics"]}
    for metric in REGISTRY["metric"]:
        parts = ("_bucket", "_sum", "_count") if metric["type"] == "histogram" else ("",)
        for part in parts:
            found[metric["name"] + part] = {*metric["labels"], *(["le"] if part == "_bucket" else [])}
    return found


def unknown(query: str) -> list[str]:
    """What a query names and nobody emits: metrics, and labels that none of its metrics has."""
    known = series()
    names = set(METRIC.findall(query))
    labels = set[str]().union(OF_SCRAPING, *(known.get(name, set()) for name in names))
    grouped = {label.strip() for group in BY.findall(query) for label in group.split(",")}
    return sorted(names - known.keys()) + sorted(grouped - labels)


@pytest.mark.parametrize(("place", "query"), list(queries()))
def test_a_query_names_only_what_is_emitted(place: str, query: str) -> None:
    assert METRIC.search(query), place
    assert unknown(query) == [], place


def test_a_query_for_what_nobody_emits_is_found() -> None:
    assert unknown("sum by (tenant) (rate(attune_rpc_requests[5m]))") == ["attune_rpc_requests", "tenant"]
    assert unknown("rate(attune_rpc_duration_seconds[5m])") == ["attune_rpc_duration_seconds"]


def test_what_every_process_sees_alike_is_never_added_up() -> None:
    gauges = {metric["name"] for metric in REGISTRY["metric"] if metric["combine"] == "max"}
    added = re.compile(r"\bsum(?: by \([^)]*\))? \((attune_[a-z_]+)")
    found = [(place, name) for place, query in queries() for name in added.findall(query) if name in gauges]
    assert found == []
    once = re.compile(r"\bmax(?: by \([^)]*\))? ?\((attune_[a-z_]+)")
    bare = [
        (place, name)
        for place, query in queries()
        for name in METRIC.findall(query)
        if name in gauges and name not in once.findall(query) and "absent(" not in query
    ]
    assert bare == []


def test_every_alert_is_tested_and_its_answer_stands_in_the_runbook() -> None:
    names = {rule["alert"] for rule in alerts()}
    fired = {
        check["alertname"]
        for case in yaml("alerts_test.yml")["tests"]
        for check in case["alert_rule_test"]
        if check["exp_alerts"]
    }
    assert fired == names
    headings = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE))
    assert headings == names
    for rule in alerts():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (REPOSITORY / page, anchor) == (RUNBOOK, rule["alert"].lower())


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not on PATH: the alert rules were NOT tested (Debian: apt-get install prometheus)")
    done = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")


def test_promtool_accepts_the_scraping() -> None:
    promtool("check", "config", "prometheus.yml")


def test_every_process_is_scraped_on_its_port() -> None:
    [job] = yaml("prometheus.yml")["scrape_configs"]
    scraped = {each["labels"]["service"]: each["targets"] for each in job["static_configs"]}
    ports = {name.removesuffix("_metrics"): port for name, port in STANDARD.items() if name.endswith("_metrics")}
    assert scraped == {name: [f"{name}:{port}"] for name, port in ports.items()}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_asks_the_chosen_source_and_has_its_own_place(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["uid"] == f"attune-{file.stem}"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())} == {"${datasource}"}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_metric_is_in_a_dashboard() -> None:
    named = {name for file in DASHBOARDS for name in METRIC.findall(file.read_text())}
    missing = [
        metric["name"] for metric in REGISTRY["metric"] if not {metric["name"], metric["name"] + "_bucket"} & named
    ]
    assert missing == []


def test_the_collector_hands_on_what_it_is_given() -> None:
    settings = yaml("collector.yml")
    for pipeline in settings["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= settings[kind].keys()
    assert settings["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].endswith(f":{STANDARD['collector']}")


def test_only_listed_metrics_of_the_engines_sdk_are_exposed_and_the_sdk_has_them() -> None:
    assert {metric["name"] for metric in REGISTRY["metric"] if metric["name"].startswith("temporal_")} == EXPOSED
    page = (
        "# HELP temporal_request_latency_seconds Latency\n# TYPE temporal_request_latency_seconds histogram\n"
        'temporal_request_latency_seconds_bucket{le="1"} 2\ntemporal_request_latency_seconds_count 2\n'
        "# TYPE temporal_new_total counter\ntemporal_new_total 1\n"
    )
    assert exposed(page.encode()).decode() == page.split("# TYPE temporal_new", maxsplit=1)[0]
    spec = find_spec("temporalio.bridge.temporal_sdk_bridge")
    assert spec is not None
    assert spec.origin is not None
    sdk = Path(spec.origin).read_bytes()
    bare = (re.sub(r"^temporal_|_total$|_seconds$", "", name) for name in EXPOSED)
    assert [name for name in bare if name.encode() not in sdk] == []
