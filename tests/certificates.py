"""Certificates for tests: an authority, and what it signs for processes by name."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.runtime.clock import utc_now
from services.runtime.settings import Certificate

DAY = timedelta(days=1)


class Authority:
    """Signs certificates that name one process each, and keeps them in a directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {directory.name}")])
        self.file = directory / "ca.crt"
        self.file.write_bytes(self._signed(self._name, self._key.public_key(), (), DAY))

    def issue(self, *names: str, valid: timedelta = DAY, file_name: str = "") -> Certificate:
        """Return the files of a certificate for the process, written anew; one that has ended when `valid` is past.

        The first name is the process, the others are those that it is called by besides.
        """
        name = names[0]
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        stem = file_name or name
        made = Certificate(self._directory / f"{stem}.crt", self._directory / f"{stem}.key", self.file)
        made.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        made.certificate_file.write_bytes(self._signed(subject, key.public_key(), names, valid))
        return made

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, names: tuple[str, ...], valid: timedelta
    ) -> bytes:
        now = utc_now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + valid)
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(alternatives, critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
