"""The key pairs with which the processes of the local stack name themselves, and that of the local token issuer."""

from __future__ import annotations

import os
from pathlib import Path

from joserfc.jwk import OKPKey

from deploy.local.environment import LOCAL_ISSUER, SIGNERS
from deploy.local.layout import Layout


def make_keys(layout: Layout) -> None:
    """Make the Ed25519 key pair of every signer that has none yet, and the local issuer's signing key.

    Private keys are `<name>.pem`, readable by their owner only; public ones `public/<name>-1.pem`, except the
    issuer's, which the gateway derives itself: a user's token must never pass for a service's.
    """
    for name in (*SIGNERS, LOCAL_ISSUER):
        private, public = layout.private_key_file(name), layout.public_keys / f"{name}-1.pem"
        if not private.exists():
            _write(private, OKPKey.generate_key("Ed25519").as_pem(private=True), 0o600)
        if name != LOCAL_ISSUER and not public.exists():
            _write(public, OKPKey.import_key(private.read_bytes()).as_pem(private=False), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file or none, never one that others could read for a moment."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    partial.replace(path)
