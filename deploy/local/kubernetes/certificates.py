"""Certificates for a control plane that lives for minutes: one authority, a server, an administrator, a signing key."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=2)


@dataclass(frozen=True)
class Authority:
    """Whoever signs, and where its files and those that it signs are kept."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        """Its own certificate."""
        return self.folder / f"{self.name}.crt"


def make_authority(folder: Path, name: str) -> Authority:
    """Make an authority and write its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _begun(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(folder, name, key, certificate)
    _write(folder, name, key, certificate)
    return authority


def sign_server(authority: Authority, name: str, addresses: list[str], names: list[str]) -> None:
    """Write the key and the certificate of a server."""
    alternatives = x509.SubjectAlternativeName(
        [*(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses), *(x509.DNSName(each) for each in names)]
    )
    _sign(authority, name, [(NameOID.COMMON_NAME, name)], ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def sign_client(authority: Authority, name: str, group: str) -> None:
    """Write the key and the certificate of somebody who calls; the group says what they may."""
    subject = [(NameOID.ORGANIZATION_NAME, group), (NameOID.COMMON_NAME, name)]
    _sign(authority, name, subject, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def write_key(folder: Path, name: str) -> Path:
    """Write a key of its own, without a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write(folder, name, key, None)
    return folder / f"{name}.key"


def _sign(
    authority: Authority,
    name: str,
    subject: list[tuple[x509.ObjectIdentifier, str]],
    usage: x509.ObjectIdentifier,
    alternatives: x509.SubjectAlternativeName | None,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(kind, value) for kind, value in subject])
    builder = _begun(named, authority.certificate.subject, key).add_extension(
        x509.ExtendedKeyUsage([usage]), critical=False
    )
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    _write(authority.folder, name, key, builder.sign(authority.key, hashes.SHA256()))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate | None) -> None:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain))
    if certificate is not None:
        (folder / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
