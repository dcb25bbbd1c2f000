"""Encrypts what workflows and activities exchange, so that the engine's database holds ciphertext only."""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

ENCODING = b"binary/attune-aes-gcm"
KEY_BYTES = 32
NONCE_BYTES = 12


class PayloadUnreadable(Exception):
    """A payload was encrypted with a key that is not configured, or was altered."""


class AesGcmCodec(PayloadCodec):
    """AES-256-GCM with a random nonce; the first key encrypts, any key decrypts what names it, for rotation."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"payload keys must be of {KEY_BYTES} bytes")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._first = _key_id(keys[0])

    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Raises PayloadUnreadable; what was written before a key was configured passes as it is."""
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, payload.SerializeToString(), self._first)
        return Payload(metadata={"encoding": ENCODING, "key": self._first}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get("key", b"")
        if key_id not in self._ciphers:
            raise PayloadUnreadable("the payload's key is not configured")
        nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        try:
            return Payload.FromString(self._ciphers[key_id].decrypt(nonce, sealed, key_id))
        except (InvalidTag, ValueError):  # ValueError: too short to be a nonce
            raise PayloadUnreadable("the payload was altered") from None


def data_converter(payload_keys: str) -> DataConverter:
    """Return the converter of every client: encrypting when keys (base64, separated by commas) are configured.

    Raises ValueError for a key that is none.
    """
    texts = [text.strip() for text in payload_keys.split(",") if text.strip()]
    if not texts:
        return DataConverter.default
    try:
        keys = [base64.b64decode(text, validate=True) for text in texts]
    except binascii.Error:
        raise ValueError("payload keys must be base64") from None
    return replace(DataConverter.default, payload_codec=AesGcmCodec(keys))


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"attune payload key" + key).hexdigest()[:16].encode()
