"""What leaves this process for the engine: sealed when keys are configured, and readable while keys are rotated."""

import base64

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

from workflows.codec import ENCODING, AesGcmCodec, PayloadUnreadable, data_converter
from workflows.messages import CycleRef

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
CYCLE = CycleRef("a tenant", "a cycle", reported=("stage:open",))


def written(*keys: bytes) -> str:
    return ", ".join(base64.b64encode(key).decode() for key in keys)


async def sealed(*keys: bytes) -> list[Payload]:
    return await data_converter(written(*keys)).encode([CYCLE])


async def opened(payloads: list[Payload], *keys: bytes) -> list[CycleRef]:
    return await data_converter(written(*keys)).decode(payloads, [CycleRef])


async def test_what_was_sealed_is_opened_again() -> None:
    assert await opened(await sealed(NEW), NEW) == [CYCLE]


async def test_the_engine_sees_nothing_of_it() -> None:
    [payload] = await sealed(NEW)
    assert payload.metadata["encoding"] == ENCODING
    assert b"tenant" not in payload.SerializeToString()
    assert b"json" not in payload.SerializeToString(), "nor how it was encoded"


async def test_the_same_is_never_sealed_the_same_way() -> None:
    assert (await sealed(NEW))[0].data != (await sealed(NEW))[0].data


async def test_a_new_key_seals_while_the_old_one_still_opens() -> None:
    before = await sealed(OLD)
    assert await opened(before, NEW, OLD) == [CYCLE]
    during = await sealed(NEW, OLD)
    assert await opened(during, NEW) == [CYCLE], "the first key seals, so the old one can be taken away"
    assert await opened(during, OLD, NEW) == [CYCLE], "a process that has not been restarted reads it as well"


async def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(PayloadUnreadable, match="not configured"):
        await opened(await sealed(OLD), NEW)


@pytest.mark.parametrize("place", [0, 12, -1], ids=["nonce", "text", "tag"])
async def test_what_was_altered_is_refused(place: int) -> None:
    [payload] = await sealed(NEW)
    altered = bytearray(payload.data)
    altered[place] ^= 1
    with pytest.raises(PayloadUnreadable, match="altered"):
        await opened([Payload(metadata=dict(payload.metadata), data=bytes(altered))], NEW)


async def test_a_payload_that_claims_another_key_is_refused() -> None:
    [payload], [other] = await sealed(OLD), await sealed(NEW)
    claimed = Payload(metadata={"encoding": ENCODING, "key": other.metadata["key"]}, data=payload.data)
    with pytest.raises(PayloadUnreadable, match="altered"):
        await opened([claimed], NEW, OLD)


async def test_a_payload_without_a_key_or_with_half_a_nonce_is_refused() -> None:
    [payload] = await sealed(NEW)
    with pytest.raises(PayloadUnreadable):
        await opened([Payload(metadata={"encoding": ENCODING}, data=payload.data)], NEW)
    with pytest.raises(PayloadUnreadable):
        await opened([Payload(metadata=dict(payload.metadata), data=payload.data[:5])], NEW)


async def test_what_was_written_before_there_was_a_key_is_read() -> None:
    plain = await DataConverter.default.encode([CYCLE])
    assert await opened(plain, NEW) == [CYCLE]


def test_without_keys_nothing_is_sealed() -> None:
    assert data_converter("").payload_codec is None
    assert data_converter(" , ").payload_codec is None


@pytest.mark.parametrize("keys", ["not base64!", base64.b64encode(b"short").decode(), f"{written(NEW)},AAAA"])
def test_a_key_that_is_none_is_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="payload keys must be"):
        data_converter(keys)


def test_a_codec_has_a_key() -> None:
    with pytest.raises(ValueError, match="payload keys"):
        AesGcmCodec([])
