"""Keys and tokens for tests: signers of any process, and people of any role."""

from pathlib import Path
from uuid import UUID, uuid4

from joserfc.jwk import OKPKey

from services.runtime.identity import Grant, Metadata, Principal, TokenSigner, TokenVerifier, call_metadata


class Keyring:
    """Ed25519 keys in a directory, made when a process is first named."""

    def __init__(self, directory: Path) -> None:
        self.public = directory / "public"
        self._private = directory / "private"
        self.public.mkdir()
        self._private.mkdir()
        self._signers: dict[str, TokenSigner] = {}

    def signer(self, name: str, number: int = 1) -> TokenSigner:
        """Return the signer of a process; a further number makes a further key of the same process."""
        stem = f"{name}-{number}"
        if stem not in self._signers:
            self._signers[stem] = TokenSigner(name, self.private_key(name, number))
        return self._signers[stem]

    def private_key(self, name: str, number: int = 1) -> Path:
        """Return the file of a process's private key, made and published when it is not there."""
        file = self._private / f"{name}-{number}.pem"
        if not file.exists():
            key = OKPKey.generate_key("Ed25519")
            file.write_bytes(key.as_pem(private=True))
            (self.public / file.name).write_bytes(key.as_pem(private=False))
        return file

    def verifier(self) -> TokenVerifier:
        """Return a verifier of all keys made so far."""
        return TokenVerifier(self.public)

    def as_service(self, name: str, tenant_id: UUID | None = None) -> Metadata:
        """Return the metadata of a call that a process makes in its own name."""
        return call_metadata(self.signer(name), tenant_id)

    def as_user(self, principal: Principal) -> Metadata:
        """Return the metadata of a call that the gateway makes for a person."""
        return (("authorization", f"Bearer {self.signer('gateway').for_user(principal)}"),)


def person(tenant_id: UUID, *roles: str, employee_id: UUID | None = None) -> Principal:
    """Return an employee of the tenant with these roles over all of it."""
    grants = tuple(Grant(role) for role in roles)
    return Principal(tenant_id, "user", "user", employee_id=employee_id or uuid4(), roles=grants)
