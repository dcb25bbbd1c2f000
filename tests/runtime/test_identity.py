"""The internal token: who may speak for whom, for how long, and what the access table says."""

import base64
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from services.runtime.errors import DeniedError, UnauthenticatedError
from services.runtime.identity import (
    ALGORITHM,
    Access,
    Gate,
    Grant,
    Principal,
    TokenSigner,
    TokenVerifier,
    current_principal,
)
from tests.identity import Keyring, person

METHOD = "/attune.people.v1.PeopleService/GetTenant"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


def forged(keyring: Keyring, issuer: str, *, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A token signed with the issuer's real key whose claims were changed, instants by how far they are from now."""
    key = OKPKey.import_key(keyring.private_key(issuer).read_bytes())
    now = int(time.time())
    told = {name: now + int(at.total_seconds()) if isinstance(at, timedelta) else at for name, at in changes.items()}
    claims = {"iss": issuer, "iat": now, "exp": now + 60, "kind": "service", "tid": str(uuid4())} | told
    return jwt.encode(
        {"alg": ALGORITHM, "kid": key.thumbprint(), **(header or {})}, claims, key, algorithms=[ALGORITHM]
    )


def test_everything_a_principal_is_survives_the_token(keyring: Keyring) -> None:
    principal = Principal(
        tenant_id=uuid4(),
        kind="user",
        name="user",
        employee_id=uuid4(),
        roles=(Grant("hr_partner", "department", "a/b"), Grant("auditor")),
        unit_path=("root", "leaf"),
        group_ids=frozenset({"g1", "g2"}),
        on_behalf_of=uuid4(),
    )
    token = keyring.signer("gateway").for_user(principal)
    assert keyring.verifier().verify(token) == principal


def test_a_service_names_itself_and_the_tenant(keyring: Keyring) -> None:
    tenant_id = uuid4()
    signer, other = keyring.signer("worker"), keyring.signer("bridge")
    verifier = keyring.verifier()
    assert verifier.verify(signer.for_service(tenant_id)) == Principal(tenant_id, "service", "worker")
    assert verifier.verify(other.for_service(None)) == Principal(None, "service", "bridge")


def test_a_signer_reuses_its_token_but_not_for_another_tenant(keyring: Keyring) -> None:
    signer, tenant_id = keyring.signer("worker"), uuid4()
    assert signer.for_service(tenant_id) == signer.for_service(tenant_id)
    assert signer.for_service(tenant_id) != signer.for_service(uuid4())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "gateway"},
        {"exp": 0},
        {"iat": timedelta(hours=1), "exp": timedelta(hours=1, minutes=1)},
        {"exp": timedelta(hours=1)},
        {"kind": "user", "emp": str(uuid4()), "roles": [], "path": [], "groups": [], "obo": None},
        {"kind": "installation", "tid": "", "emp": None, "roles": [], "path": [], "groups": [], "obo": None},
        {"kind": "superuser"},
        {"tid": "not-a-uuid"},
    ],
    ids=["issuer", "expired", "future", "too-long", "person", "installation", "kind", "tenant"],
)
def test_a_worker_cannot_claim_what_is_not_its_own(keyring: Keyring, changes: dict[str, Any]) -> None:
    token = forged(keyring, "worker", **changes)
    with pytest.raises(UnauthenticatedError):
        keyring.verifier().verify(token)


def test_a_changed_token_and_an_unknown_key_are_refused(keyring: Keyring, tmp_path: Path) -> None:
    token = keyring.signer("worker").for_service(uuid4())
    verifier = keyring.verifier()
    head, body, signature = token.split(".")
    other = forged(keyring, "worker").split(".")[1]
    stranger = OKPKey.generate_key("Ed25519")
    (tmp_path / "stranger.pem").write_bytes(stranger.as_pem(private=True))
    unknown = TokenSigner("worker", tmp_path / "stranger.pem").for_service(None)
    for bad in (f"{head}.{other}.{signature}", f"{head}.{body}.AAAA", unknown, "", "a.b.c", "é.b.c"):
        with pytest.raises(UnauthenticatedError):
            verifier.verify(bad)


def test_an_unsigned_token_is_refused(keyring: Keyring) -> None:
    token = forged(keyring, "worker")
    none_header = "eyJhbGciOiJub25lIn0"
    with pytest.raises(UnauthenticatedError):
        keyring.verifier().verify(f"{none_header}.{token.split('.')[1]}.")


def test_keys_rotate_without_a_restart(keyring: Keyring) -> None:
    """During a rotation both keys are good; a key that was taken away is not, not even for a token already seen."""
    old = keyring.signer("worker").for_service(None)
    verifier = keyring.verifier()
    verifier.verify(old)
    new = keyring.signer("worker", 2).for_service(None)
    os.utime(keyring.public, ns=(0, 1))
    verifier = aged(verifier)
    assert verifier.verify(new).name == verifier.verify(old).name == "worker"
    (keyring.public / "worker-1.pem").unlink()
    os.utime(keyring.public, ns=(0, 2))
    verifier = aged(verifier)
    verifier.verify(new)
    with pytest.raises(UnauthenticatedError):
        verifier.verify(old)


def test_a_key_published_in_the_tick_of_the_last_look_counts(keyring: Keyring) -> None:
    """The directory's instant of change is the same afterwards: one ahead, which no slow machine outlasts."""
    tick = time.time_ns() + 3600 * 10**9
    os.utime(keyring.public, ns=(tick, tick))
    verifier = keyring.verifier()
    new = keyring.signer("worker").for_service(None)
    os.utime(keyring.public, ns=(tick, tick))
    assert aged(verifier).verify(new).name == "worker"


def test_a_key_replaced_in_the_tick_of_the_last_look_signs(keyring: Keyring) -> None:
    file, tick = keyring.private_key("worker"), time.time_ns() + 3600 * 10**9
    successor = keyring.private_key("worker", 2).read_bytes()
    os.utime(file, ns=(tick, tick))
    signer = TokenSigner("worker", file)
    file.write_bytes(successor)
    os.utime(file, ns=(tick, tick))
    signer.look_again()
    (keyring.public / "worker-1.pem").unlink()
    assert keyring.verifier().verify(signer.for_service(None)).name == "worker"


def aged(verifier: TokenVerifier) -> TokenVerifier:
    """The verifier after the second in which it does not look at the directory again."""
    verifier.look_again()
    return verifier


def entered(keyring: Keyring, access: Mapping[str, Access], method: str, token: str) -> None:
    Gate(keyring.verifier(), access).enter(method, {"authorization": f"Bearer {token}"} if token else {})


def test_the_access_table_decides_who_may_use_a_method(keyring: Keyring) -> None:
    tenant_id = uuid4()
    access = {METHOD: Access(roles=frozenset({"hr_admin"}), services=frozenset({"worker"}))}
    hr = keyring.signer("gateway").for_user(person(tenant_id, "hr_admin"))
    entered(keyring, access, METHOD, hr)
    assert current_principal().has("hr_admin")
    entered(keyring, access, METHOD, keyring.signer("worker").for_service(tenant_id))
    assert current_principal().actor == "worker"
    for token in (
        keyring.signer("gateway").for_user(person(tenant_id)),
        keyring.signer("bridge").for_service(tenant_id),
        keyring.signer("gateway").for_service(tenant_id),
    ):
        with pytest.raises(DeniedError):
            entered(keyring, access, METHOD, token)


def test_a_method_without_a_row_is_refused_to_everybody(keyring: Keyring) -> None:
    token = keyring.signer("gateway").for_user(person(uuid4(), "hr_admin"))
    with pytest.raises(DeniedError) as caught:
        entered(keyring, {}, METHOD, token)
    assert caught.value.reason == "ACCESS_UNDECLARED"


def test_without_a_token_only_health_and_reflection_answer(keyring: Keyring) -> None:
    with pytest.raises(UnauthenticatedError):
        entered(keyring, {METHOD: Access()}, METHOD, "")
    entered(keyring, {}, "/grpc.health.v1.Health/Check", "")


def test_every_employee_is_an_employee_and_a_service_is_none() -> None:
    assert person(uuid4()).has("employee")
    assert not Principal(uuid4(), "service", "worker").has("employee")
    assert not Principal(None, "installation", "installation").has("employee")


def test_a_token_of_brackets_is_refused_like_any_other(keyring: Keyring) -> None:
    deep = base64.urlsafe_b64encode(b'{"kid":' + b"[" * 6000).decode()
    with pytest.raises(UnauthenticatedError):
        keyring.verifier().verify(f"{deep}.{deep}.x")
