"""In whose name activities and the bridge call services, within which time, and how a refusal is recorded."""

from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from temporalio.exceptions import ApplicationError

from services.runtime.identity import Principal
from tests.identity import Keyring
from workflows import errors, policies
from workflows.calls import Caller, CallOptions
from workflows.errors import CALLS_REFUSED


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


def principal_of(keyring: Keyring, options: CallOptions) -> Principal:
    """Who a service takes the caller for."""
    [(name, value)] = options["metadata"]
    assert name == "authorization"
    return keyring.verifier().verify(value.removeprefix("Bearer "))


def test_a_call_is_made_in_the_name_of_the_process_for_one_tenant(keyring: Keyring) -> None:
    caller, tenant_id = Caller(keyring.signer("worker")), uuid4()
    for options in (caller.short(str(tenant_id)), caller.bulk(str(tenant_id))):
        who = principal_of(keyring, options)
        assert (who.kind, who.name, who.tenant_id, who.employee_id, who.roles) == (
            "service", "worker", tenant_id, None, (),
        )  # fmt: skip


def test_what_concerns_all_tenants_is_called_for_none(keyring: Keyring) -> None:
    assert principal_of(keyring, Caller(keyring.signer("bridge")).short()).tenant_id is None


def test_each_call_has_the_time_of_its_kind(keyring: Keyring) -> None:
    caller = Caller(keyring.signer("worker"))
    assert caller.short()["timeout"] == policies.SHORT_CALL.total_seconds()
    assert caller.bulk(str(uuid4()))["timeout"] == policies.BULK_CALL.total_seconds()


def test_a_try_outlasts_the_call_that_it_makes() -> None:
    """Else the engine would give up on an answer that is still awaited, and the step would be done twice at once."""
    for step, patience in policies.PATIENCE.items():
        call = policies.SHORT_CALL if patience in (policies.SHORT, policies.REPORT) else policies.BULK_CALL
        assert patience.one_try > call, step
        assert patience.all_tries > patience.one_try, step


def error_of(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="Ann Smith said something")


FINAL = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE", "DATA_LOSS"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_refusal_is_final_or_not_by_its_code_and_names_nobody(code: grpc.StatusCode) -> None:
    refused = errors.named(error_of(code), "tick")
    assert isinstance(refused, ApplicationError)
    assert refused.non_retryable == (code.name in FINAL)
    assert (refused.type, refused.message) == (code.name, code.name)


def test_a_worker_that_is_refused_is_counted_and_tries_again() -> None:
    """A key rotation must not fail cycles."""
    before = CALLS_REFUSED.labels("enrol")._value.get()
    for code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        refused = errors.named(error_of(code), "enrol")
        assert isinstance(refused, ApplicationError)
        assert not refused.non_retryable
    assert CALLS_REFUSED.labels("enrol")._value.get() == before + 2


@pytest.mark.parametrize("error", [TimeoutError("a host"), ConnectionRefusedError("a host"), OSError("a host")])
def test_what_cannot_be_reached_is_tried_again(error: Exception) -> None:
    named = errors.named(error, "tick")
    assert isinstance(named, ApplicationError)
    assert (named.type, named.non_retryable) == ("UNREACHABLE", False)
    assert "a host" not in named.message


def test_a_defect_tells_its_kind_and_no_more() -> None:
    named = errors.named(ValueError("Ann Smith has 3 points"), "tick")
    assert isinstance(named, ApplicationError)
    assert (named.message, named.type, named.non_retryable) == ("DEFECT: ValueError", "DEFECT", False)


def test_what_the_engine_understands_passes_as_it_is() -> None:
    error = ApplicationError("known", type="KNOWN")
    assert errors.named(error, "tick") is error
