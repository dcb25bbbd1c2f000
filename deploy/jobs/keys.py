"""Makes the key pairs with which processes name themselves: `python -m deploy.jobs.keys FOLDER`; keeps those there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from joserfc.jwk import OKPKey

from deploy.names import LOCAL_ISSUER, SIGNERS

PRIVATE = "private.pem"


def make_pair(private: Path, public: Path | None) -> None:
    """Make an Ed25519 key that only its owner may read, unless it exists, and its public half where one is wanted."""
    if not private.exists():
        _write(private, OKPKey.generate_key("Ed25519").as_pem(private=True), 0o600)
    if public is not None and not public.exists():
        _write(public, OKPKey.import_key(private.read_bytes()).as_pem(private=False), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file or none, never one that others could read for a moment."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    partial.replace(path)


def make_all(folder: Path) -> None:
    """Make `<name>/private.pem` for every signer and the local issuer, and `public/<name>-1.pem` for every signer.

    The issuer's public key stays out of it: a user's token must never pass for a service's.
    """
    (folder / "public").mkdir(parents=True, exist_ok=True)
    for name in (*SIGNERS, LOCAL_ISSUER):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
        public = None if name == LOCAL_ISSUER else folder / "public" / f"{name}-1.pem"
        make_pair(folder / name / PRIVATE, public)


def main(arguments: Sequence[str]) -> int:
    """Make the keys in the folder named."""
    if len(arguments) != 1:
        print("usage: python -m deploy.jobs.keys FOLDER", file=sys.stderr)  # noqa: T201 - a command's output
        return 2
    make_all(Path(arguments[0]))
    print(f"keys are in {arguments[0]}")  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
