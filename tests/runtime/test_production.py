"""Production mode refuses to start any process with settings of a developer's machine, all of them at once."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from temporalio.service import TLSConfig

from deploy.jobs.engine import EngineJobSettings
from services.gateway.settings import GatewaySettings
from services.goals.settings import GoalsSettings
from services.notify.settings import NotifySettings
from services.people.settings import PeopleSettings
from services.reviews.settings import ReviewsSettings
from services.runtime.settings import ProcessSettings, load
from services.runtime.settings.checks import is_loopback
from services.scoring.settings import ScoringSettings
from tests.guards.measures import ROOT
from workflows.settings import BridgeSettings, WorkerSettings

SERVICES = ("people", "goals", "reviews", "scoring", "notify")
ENGINES = {"workflows.worker", "workflows.bridge"}
SETTINGS: Mapping[str, type[ProcessSettings]] = {
    "services.gateway": GatewaySettings,
    "services.people": PeopleSettings,
    "services.goals": GoalsSettings,
    "services.reviews": ReviewsSettings,
    "services.scoring": ScoringSettings,
    "services.notify": NotifySettings,
    "workflows.worker": WorkerSettings,
    "workflows.bridge": BridgeSettings,
}
ADDRESSES = {f"ATTUNE_{name.upper()}_ADDRESS": f"attune-{name}:50051" for name in (*SERVICES, "engine")}
CERTIFICATE = {f"ATTUNE_TLS_{part}_FILE": f"/tls/{part}" for part in ("CERTIFICATE", "KEY", "CA")}
SOUND = {
    **ADDRESSES,
    **CERTIFICATE,
    "ATTUNE_IDENTITY_KEY_FILE": "/keys/own.pem",
    "ATTUNE_IDENTITY_KEYS_DIR": "/keys/public",
    "PGSSLROOTCERT": "/database/ca.crt",
    "REDIS_URL": "rediss://redis.example:6379",
    "TEMPORAL_ADDRESS": "temporal.example:7233",
    "TEMPORAL_TLS": "true",
    "ATTUNE_PAYLOAD_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "ATTUNE_HOST": "0.0.0.0",  # noqa: S104  # in a pod of its own
    "ATTUNE_GATEWAY_PORT": "8080",
    "ATTUNE_GATEWAY_HOST": "0.0.0.0",  # noqa: S104
    "ATTUNE_GATEWAY_OIDC_ISSUER": "https://issuer.example",
    "ATTUNE_GATEWAY_OIDC_AUDIENCE": "attune",
    "ATTUNE_GATEWAY_OIDC_JWKS_URL": "https://issuer.example/keys",
    **{f"ATTUNE_{name.upper()}_PORT": "50051" for name in SERVICES},
    **{f"ATTUNE_{name.upper()}_HOST": "0.0.0.0" for name in SERVICES},  # noqa: S104
    **{
        f"ATTUNE_{name.upper()}_{kind}DATABASE_URL": "postgresql+asyncpg://r:x93jd@db.example/attune?ssl=verify-full"
        for name in SERVICES
        for kind in ("", "SYSTEM_")
    },
}
UNENCRYPTED = "postgresql+asyncpg://r:x93jd@db.example/attune"
STRANGERS = {"services.people", "services.scoring", "workflows.bridge"}  # who never call people
# The settings that must be refused, and which processes refuse them.
DEVELOPMENT = [
    ("ATTUNE_TLS_CERTIFICATE_FILE", None, set(SETTINGS)),
    ("REDIS_URL", "redis://redis.example:6379", set(SETTINGS)),
    ("ATTUNE_PAYLOAD_KEY", "", ENGINES),
    ("TEMPORAL_TLS", "false", ENGINES),
    ("TEMPORAL_ADDRESS", "127.0.0.1:7233", ENGINES),
    ("ATTUNE_HOST", "127.0.0.1", {"workflows.bridge"}),
    ("ATTUNE_PEOPLE_ADDRESS", "localhost:50051", set(SETTINGS) - STRANGERS),
    ("ATTUNE_GATEWAY_HOST", "127.0.0.1", {"services.gateway"}),
    ("ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE", "/keys/issuer.pem", {"services.gateway"}),
    ("ATTUNE_GATEWAY_OIDC_AUDIENCE", None, {"services.gateway"}),
    ("ATTUNE_GATEWAY_OIDC_JWKS_URL", "http://issuer.example/keys", {"services.gateway"}),
    ("ATTUNE_PEOPLE_DIRECTORY_ISSUERS", '["attune-local"]', {"services.people"}),
    ("ATTUNE_PEOPLE_INSTALLATION_ADMINISTRATORS", '["attune-local installation"]', {"services.people"}),
    ("ATTUNE_REVIEWS_DATABASE_URL", UNENCRYPTED, {"services.reviews"}),
    ("ATTUNE_REVIEWS_DATABASE_URL", f"{UNENCRYPTED}?ssl=prefer", {"services.reviews"}),
    ("ATTUNE_GOALS_SYSTEM_DATABASE_URL", UNENCRYPTED.replace("x93jd", "Postgres") + "?ssl=require", {"services.goals"}),
    ("PGSSLROOTCERT", None, {f"services.{name}" for name in SERVICES}),
    ("PGSSLROOTCERT", "", {f"services.{name}" for name in SERVICES}),
    ("ATTUNE_SCORING_HOST", "127.0.0.1", {"services.scoring"}),
]  # fmt: skip


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is fit for production, and nothing else of Attune's."""
    for name in list(os.environ):
        if name.startswith(("ATTUNE_", "TEMPORAL_", "REDIS_")):
            monkeypatch.delenv(name)
    for name, value in SOUND.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("module", SETTINGS)
def test_a_process_starts_in_production_where_everything_is_set(sound: pytest.MonkeyPatch, module: str) -> None:
    assert load(SETTINGS[module]).mode == "production"  # which nobody has to ask for


@pytest.mark.parametrize("number", range(len(DEVELOPMENT)))
def test_each_setting_of_development_is_refused_by_those_that_use_it(sound: pytest.MonkeyPatch, number: int) -> None:
    variable, value, refusing = DEVELOPMENT[number]
    sound.delenv(variable, raising=False)
    if value is None and variable == "ATTUNE_TLS_CERTIFICATE_FILE":
        for name in CERTIFICATE:
            sound.delenv(name, raising=False)
    elif value is not None:
        sound.setenv(variable, value)
    for module, kind in SETTINGS.items():
        if module in refusing:
            with pytest.raises(SystemExit, match=f"\n  {variable}: "):
                load(kind)
        else:
            load(kind)
        sound.setenv("ATTUNE_MODE", "local")
        assert load(kind).mode == "local"
        sound.delenv("ATTUNE_MODE")


def test_a_mesh_takes_the_place_of_encryption_but_of_nothing_else(sound: pytest.MonkeyPatch) -> None:
    for name in (*CERTIFICATE, "TEMPORAL_TLS"):
        sound.delenv(name)
    sound.setenv("REDIS_URL", "redis://redis.example:6379")
    sound.setenv("ATTUNE_TRANSPORT", "mesh")
    for kind in SETTINGS.values():
        load(kind)
    sound.delenv("ATTUNE_PAYLOAD_KEY")
    with pytest.raises(SystemExit, match="ATTUNE_PAYLOAD_KEY"):
        load(WorkerSettings)


def test_e_mail_is_not_sent_with_a_password_in_the_clear(sound: pytest.MonkeyPatch) -> None:
    sound.setenv("ATTUNE_NOTIFY_SMTP_HOST", "mail.example")
    sound.setenv("ATTUNE_NOTIFY_SMTP_PASSWORD", "x93jd")
    with pytest.raises(SystemExit) as refused:
        load(NotifySettings)
    assert "ATTUNE_NOTIFY_SMTP_STARTTLS: " in str(refused.value)
    assert "ATTUNE_NOTIFY_SMTP_SENDER: " in str(refused.value)


def test_a_certificate_is_set_as_a_whole_in_every_mode(sound: pytest.MonkeyPatch) -> None:
    sound.setenv("ATTUNE_MODE", "local")
    sound.delenv("ATTUNE_TLS_KEY_FILE")
    with pytest.raises(SystemExit, match="belong together"):
        load(ReviewsSettings)


def test_what_is_missing_is_told_together_with_what_is_unfit_and_no_value_is(sound: pytest.MonkeyPatch) -> None:
    for name in ("ATTUNE_REVIEWS_PORT", "ATTUNE_IDENTITY_KEY_FILE", "ATTUNE_REVIEWS_SYSTEM_DATABASE_URL"):
        sound.delenv(name)
    sound.setenv("ATTUNE_TRACE_RATIO", "canary-7f3")
    sound.setenv("ATTUNE_REVIEWS_DATABASE_URL", "postgresql+asyncpg://r:canary-7f4@db.example/attune")
    with pytest.raises(SystemExit) as refused:
        load(ReviewsSettings)
    told = {line.split(":")[0].strip() for line in str(refused.value).splitlines()[1:]}
    assert told == {
        *("ATTUNE_TRACE_RATIO", "ATTUNE_REVIEWS_PORT", "ATTUNE_REVIEWS_SYSTEM_DATABASE_URL"),
        *("ATTUNE_IDENTITY_KEY_FILE", "ATTUNE_REVIEWS_DATABASE_URL"),
    }
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("module", SETTINGS)
def test_a_process_without_settings_ends_at_once_with_all_that_is_missing(module: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    for variable in ("ATTUNE_IDENTITY_KEY_FILE", "ATTUNE_IDENTITY_KEYS_DIR", "ATTUNE_TLS_CA_FILE"):
        assert f"\n  {variable}: " in ended.stderr


def test_no_setting_that_is_secret_is_shown(sound: pytest.MonkeyPatch) -> None:
    shown = ""
    for kind in SETTINGS.values():
        for name in kind.model_fields:
            if any(word in name for word in ("database_url", "password", "redis_url", "payload_keys", "api_key")):
                sound.setenv(kind.variable(name), "canary-7f5")
        shown += repr(kind()) + str(kind())
    assert "canary" not in shown


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:50051", True),
        ("127.8.0.1", True),
        ("localhost:1", True),
        ("[::1]:50051", True),
        ("dns:///localhost:50051", True),
        (":50051", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("dns:///attune-people.attune.svc:50051", False),
        ("10.0.0.7:50051", False),
    ],
)
def test_loopback_is_recognised(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def test_the_sample_of_settings_names_real_variables() -> None:
    known = {kind.variable(name) for kind in SETTINGS.values() for name in kind.model_fields}
    assert set(SOUND) <= known
    assert {variable for variable, _, _ in DEVELOPMENT} <= known


def test_an_empty_variable_names_no_file(sound: pytest.MonkeyPatch) -> None:
    """As charts and compose files set what is not given."""
    sound.setenv("ATTUNE_MODE", "local")
    files = {
        kind: [name for name, field in kind.model_fields.items() if field.annotation == Path | None]
        for kind in SETTINGS.values()
    }
    assert "local_issuer_key_file" in files[GatewaySettings]
    assert "temporal_tls_ca_file" in files[WorkerSettings]
    for kind, names in files.items():
        for name in names:
            sound.setenv(kind.variable(name), "")
        found = load(kind)
        assert {name: getattr(found, name) for name in names} == dict.fromkeys(names)


def test_an_empty_variable_names_no_file_to_jobs_and_commands_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_TLS", "true")
    for part in ("SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.setenv(f"TEMPORAL_TLS_{part}_PATH", "")
    settings = EngineJobSettings(temporal_address="temporal.example:7233", temporal_namespace="attune")
    assert settings.tls() == TLSConfig()
