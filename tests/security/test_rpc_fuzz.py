"""Two thousand random requests over all RPCs: each is answered, and none with INTERNAL or UNKNOWN."""

import random
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from services.runtime.errors import reason_of
from tests.security.conftest import SERVICES, World, methods_of

CASES = 2000
TEXTS = (
    *("", "x", "E001", "中文", "a" * 300, "\x00", "\ud7ff", "🙂", "-1", "1e400", "NaN", "0.1", "100", "2026-09-30"),
    *("2026-02-30", "0001-01-01", "9999-12-31", "manual", "en", "zh-CN", "hr_admin", "tenant", "percent", "=1/0"),
    *("=完成值/目标值", "{}", "[]", '{"all": []}', "name: x\nsections: [", "' OR 1=1 --", "../../etc", "%00", "csv"),
)
NUMBERS = (0, 1, -1, 2, 50, 500, 501, 2**31 - 1, -(2**31))
BUGS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED)


def fill(message: Any, dice: random.Random, known: tuple[str, ...], depth: int = 0) -> Any:
    """Give about half of the fields a value that may or may not make sense."""
    for field in message.DESCRIPTOR.fields:
        if dice.random() < 0.5 and field.name != "request_id":
            _set(message, field, dice, known, depth)
        elif field.name == "request_id":
            message.request_id = str(UUID(int=dice.getrandbits(128)))
    return message


def _set(message: Any, field: Any, dice: random.Random, known: tuple[str, ...], depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return
    if field.message_type is not None:
        if depth < 3:
            count = dice.randint(0, 3) if field.is_repeated else 1
            for _ in range(count):
                inner = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
                _fill_inner(inner, dice, known, depth)
                if not field.is_repeated:
                    inner.SetInParent()
        return
    values = [_scalar(field, dice, known) for _ in range(dice.randint(0, 3) if field.is_repeated else 1)]
    if field.is_repeated:
        getattr(message, field.name).extend(values)
    elif values:
        setattr(message, field.name, values[0])


def _fill_inner(inner: Any, dice: random.Random, known: tuple[str, ...], depth: int) -> None:
    if inner.DESCRIPTOR.full_name == "google.protobuf.Timestamp":
        inner.seconds = dice.choice((0, 1, -62135596800, 253402300799, 1790000000, 2**40))
    else:
        fill(inner, dice, known, depth + 1)


def _scalar(field: Any, dice: random.Random, known: tuple[str, ...]) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return dice.choice((*TEXTS, *known, str(UUID(int=dice.getrandbits(128)))))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return dice.choice((b"", b"\x00" * 16, b"code,name\n1,2\n", b"PK\x03\x04", bytes(range(256))))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return dice.random() < 0.5
    if field.type == FieldDescriptor.TYPE_ENUM:
        return dice.choice([*(value.number for value in field.enum_type.values), 99])
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return dice.choice((0.0, -1.0, 1e300, float("inf"), float("nan")))
    return dice.choice(NUMBERS)


@pytest.mark.parametrize("service", SERVICES)
async def test_no_request_is_answered_as_a_bug(world: World, service: str) -> None:
    dice = random.Random(f"rpc fuzz {service}")
    known = (str(world.tenant_id), str(world.employee_id), "ADMIN")
    everything = sum(len(methods_of(each)) for each in SERVICES)
    bad: list[str] = []
    for method in methods_of(service):
        access = world.access[f"/{method.containing_service.full_name}/{method.name}"]
        callers = [*sorted(access.roles & {"hr_admin", "employee", "installation_admin"})]
        callers += [f"service:{name}" for name in sorted(access.services)]
        for _ in range(CASES // everything + 1):
            request = fill(GetMessageClass(method.input_type)(), dice, known)
            error = await world.call(service, method, request, world.metadata(dice.choice(callers)))
            if error is not None and (error.code() in BUGS or not error.details() or not reason_of(error)):
                bad.append(f"{method.name}: {error.code().name} {error.details()} for {str(request)[:300]!r}")
    assert bad == []
