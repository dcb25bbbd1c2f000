"""What each process is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local import ports, steps
from deploy.local.environment import Wiring, migration_environment, process_environment
from deploy.local.layout import Layout
from deploy.names import SERVICES


def wiring(admin_url: str = "", passwords: dict[str, str] | None = None) -> Wiring:
    layout = Layout(Path("/srv/attune"))
    return Wiring(
        layout=layout,
        ports=dict.fromkeys([*ports.STANDARD, *ports.INTERNAL], 20_001),
        admin_url=admin_url or f"postgresql://postgres@/postgres?host={layout.socket_dir}",
        role_passwords=passwords or {},
        redis_url="redis://127.0.0.1:6379/0",
        temporal_address="127.0.0.1:7233",
        namespace="attune",
    )


def test_a_service_gets_its_own_roles_and_never_its_owner() -> None:
    told = process_environment(wiring(), "reviews", {})
    assert told["ATTUNE_REVIEWS_DATABASE_URL"] == "postgresql+asyncpg://reviews_app@/attune?host=/srv/attune/run"
    assert told["ATTUNE_REVIEWS_SYSTEM_DATABASE_URL"].startswith("postgresql+asyncpg://reviews_system@")
    assert not [name for name in told if "OWNER" in name or "PEOPLE_DATABASE" in name]


def test_only_migrations_get_the_owner() -> None:
    told = migration_environment(wiring(), "goals", {})
    assert told["ATTUNE_GOALS_OWNER_DATABASE_URL"].startswith("postgresql+asyncpg://goals_owner@")


def test_a_given_database_keeps_its_host_and_options_and_gets_each_roles_password() -> None:
    given = wiring("postgresql://admin:secret@db.example:5433/postgres?sslmode=require", {"people_app": "p"})
    assert given.database_url("people_app") == "postgresql+asyncpg://people_app:p@db.example:5433/attune?ssl=require"
    assert given.admin_database_url() == "postgresql://admin:secret@db.example:5433/attune?sslmode=require"


@pytest.mark.parametrize("name", steps.PROCESSES)
def test_no_process_gets_the_database_url_of_the_bootstrap(name: str) -> None:
    assert "DATABASE_URL" not in process_environment(wiring(), name, {"DATABASE_URL": "postgresql://admin@/"})


@pytest.mark.parametrize("name", SERVICES)
def test_each_process_signs_with_its_own_key(name: str) -> None:
    assert process_environment(wiring(), name, {})["ATTUNE_IDENTITY_KEY_FILE"] == f"/srv/attune/keys/{name}.pem"


def test_a_setting_of_the_user_wins_over_tuning_but_not_over_wiring() -> None:
    set_by_user = {"ATTUNE_BRIDGE_RECONCILE_SECONDS": "60", "ATTUNE_PEOPLE_ADDRESS": "elsewhere:1"}
    told = process_environment(wiring(), "bridge", {**os.environ, **set_by_user})
    assert told["ATTUNE_BRIDGE_RECONCILE_SECONDS"] == "60"
    assert told["ATTUNE_PEOPLE_ADDRESS"] == "127.0.0.1:20001"


def test_only_a_local_gateway_may_issue_tokens() -> None:
    variable = "ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE"
    assert process_environment(wiring(), "gateway", {})[variable] == "/srv/attune/keys/issuer.pem"
    assert variable not in process_environment(wiring(), "gateway", {"ATTUNE_MODE": "production"})
    assert variable not in process_environment(wiring(), "people", {})


def test_wanted_steps_bring_what_they_need() -> None:
    assert steps.with_needs(frozenset({"temporal"})) == {"temporal"}
    assert steps.with_needs(frozenset({"goals"})) == {"goals", "database", "postgres", "redis"}
    assert steps.with_needs(frozenset({"worker", "gateway", "bridge"})) == set(steps.NEEDS) - set(steps.OPTIONAL)


def test_an_unknown_process_is_named() -> None:
    with pytest.raises(ValueError, match="payroll"):
        steps.with_needs(frozenset({"payroll"}))


def test_every_process_is_stopped() -> None:
    assert sorted(name for group in steps.STOP_ORDER for name in group) == sorted(steps.EVERY_PROCESS)
