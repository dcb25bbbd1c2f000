"""The table of calls says what the papers say and what the code does; the network policies allow exactly that."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.layout import REPOSITORY
from deploy.names import SERVICES
from services.runtime.settings import ProcessSettings
from tests.deploy.charts import VALUES, rendered, topology
from tests.deploy.network import Arrow, allowed, calls_of, outward
from tests.deploy.variables import CLASSES

CALLED = (*SERVICES, "engine")
# What may be called, and is not yet: nobody writes to these logs what the other would have to know.
UNUSED = frozenset({("notify", "scoring"), ("reviews", "notify")})
SOURCES: Mapping[str, tuple[str, ...]] = {
    **{name: (f"services/{name}",) for name in ("gateway", *SERVICES)},
    "bridge": ("workflows/bridge.py",),
    "worker": ("workflows/worker.py", "workflows/activities"),
}
STORES: Mapping[str, str] = {  # what uses a store reads this setting
    "postgres": "database_url",
    "redis": "redis_url",
    "smtp": "smtp_host",
    "oidc": "oidc_jwks_url",
}


def calls_of_table() -> frozenset[tuple[str, str]]:
    return frozenset(
        (name.partition("-")[0], called) for name, process in topology().items() for called in process["calls"]
    )


def calls_of_papers() -> frozenset[tuple[str, str]]:
    """The rows of the table "Who calls whom" of docs/architecture.md."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text().partition("**Who calls whom**")[2]
    rows = re.findall(r"^\| ([a-z]+) \| (.*) \|$", text.partition("\n**")[0], re.MULTILINE)
    return frozenset(
        (caller, called)
        for caller, said in rows
        if caller != "caller"
        for called in CALLED
        if re.search(rf"\b{called}\b", said)
    )


def modules(process: str) -> Iterator[Path]:
    for source in SOURCES[process]:
        path = REPOSITORY / source
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def calls_of_code(process: str) -> frozenset[str]:
    """The processes that the code opens channels to: `channel_to("people", …)`, or by name in a loop over names."""
    found: set[str] = set()
    for module in modules(process):
        for function in ast.walk(ast.parse(module.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found |= {name for name in _channels(function, module) if name in CALLED}
    return frozenset(found - {process})


def _channels(function: ast.AST, module: Path) -> Iterator[str]:
    nodes = list(ast.walk(function))
    opening = [node.args[0] for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "channel_to"]
    for name in opening:
        if isinstance(name, ast.Constant):
            yield str(name.value)
    if any(isinstance(name, ast.Name) for name in opening):
        yield from (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
        imported = importlib.import_module(".".join(module.relative_to(REPOSITORY).with_suffix("").parts))
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(value := getattr(imported, node.id, None), Mapping):
                yield from (str(key) for key in value)


@pytest.mark.parametrize("component", CLASSES)
def test_the_settings_let_a_process_call_whom_the_table_says(component: str) -> None:
    kind = CLASSES[component]
    assert issubclass(kind, ProcessSettings)
    assert set(kind.calls) <= set(topology()[component]["calls"])
    assert {(component, name) for name in set(topology()[component]["calls"]) - set(kind.calls)} <= UNUSED


def test_the_table_says_what_the_papers_say() -> None:
    assert calls_of_table() == calls_of_papers()


def test_the_code_opens_the_channels_of_the_table() -> None:
    in_code = {(process, called) for process in SOURCES for called in calls_of_code(process)}
    assert in_code <= calls_of_table()
    assert calls_of_table() - in_code <= UNUSED


def test_no_other_code_opens_channels() -> None:
    opening = {
        str(file.relative_to(REPOSITORY))
        for folder in ("services", "workflows")
        for file in (REPOSITORY / folder).rglob("*.py")
        if re.search(r"(?<!def )\b(channel_to|open_channel|insecure_channel|secure_channel)\(", file.read_text())
    }
    runtime = {file for file in opening if file.startswith("services/runtime/")}
    known = {str(module.relative_to(REPOSITORY)) for process in SOURCES for module in modules(process)}
    assert opening - runtime <= known


@pytest.mark.parametrize("process", SOURCES)
def test_the_code_uses_the_stores_of_the_table(process: str) -> None:
    code = "".join(module.read_text() for module in modules(process))
    settings = {store for store, name in STORES.items() if re.search(rf"\bsettings\.{name}|\b{name}: str", code)}
    if process in SERVICES:
        settings.add("postgres")
    if "client.connect(" in code and process not in SERVICES:
        settings.add("temporal")
    components = [name for name in topology() if name.partition("-")[0] == process]
    assert components
    for name in components:
        assert set(topology()[name]["uses"]) == settings


@pytest.mark.parametrize("values", ["", *VALUES])
def test_the_policies_allow_exactly_the_calls_of_the_table(values: str) -> None:
    assert allowed(rendered(values)) == calls_of(topology())


def test_without_policies_everything_is_allowed() -> None:
    open_to_all = allowed(rendered("small", "--set", "network.policies.enabled=false"))
    assert Arrow("people", "scoring", 50054) in open_to_all


@pytest.mark.parametrize("values", ["", *VALUES])
def test_a_process_leaves_the_release_only_to_its_stores(values: str) -> None:
    ports = {"postgres": 5432, "redis": 6379, "temporal": 7233, "smtp": 25, "oidc": 443}
    if values in ("standard", "multi-tenant"):
        ports["smtp"] = 587
    traces = {4317} if values in ("standard", "multi-tenant") else set()
    jobs = {"setup-database": "postgres", "setup-migrations": "postgres", "setup-engine": "temporal"}
    if values == "multi-tenant":
        jobs["setup-version"] = "temporal"
    leaving = outward(rendered(values))
    for name, process in topology().items():
        assert leaving[name] == {53} | {ports[store] for store in process["uses"]} | traces, name
    for name, store in jobs.items():
        assert leaving[name] == {53, ports[store]}
    assert leaving["operations"] == {53, ports["postgres"], ports["temporal"]}
