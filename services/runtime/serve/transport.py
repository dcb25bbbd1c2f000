"""What carries calls between processes: plain within one machine, TLS that names both ends by settings."""

from collections.abc import Callable, Sequence
from typing import Any

import grpc

from services.runtime import telemetry
from services.runtime.settings import Certificate, ProcessSettings
from services.runtime.watch import Watch

MAX_MESSAGE_BYTES = 32 * 1024 * 1024  # a page of 5 000 people in columns, or a sheet of 100 000 rows
CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
Options = Sequence[tuple[str, Any]]
Contents = tuple[bytes, bytes, bytes]  # of the files of authority, key and certificate


def open_channel(address: str, options: Options = CHANNEL_OPTIONS) -> grpc.aio.Channel:
    """Return an unencrypted channel to another process, balanced over the addresses behind its name."""
    return grpc.aio.insecure_channel(address, options=options)


def channel_to(name: str, settings: ProcessSettings, options: Options = CHANNEL_OPTIONS) -> grpc.aio.Channel:
    """Return a channel to a process by name; with a certificate, only the process whose certificate has that name.

    Raises ValueError for a process that this one has no business with. The certificate is read once: a client shows
    a renewed one when it has been restarted.
    """
    if name not in settings.calls:
        raise ValueError(f"{type(settings).__name__} does not list {name} among those that are called")
    address = getattr(settings, f"{name}_address")
    if settings.certificate is None:
        return open_channel(address, options)
    named = (*options, ("grpc.ssl_target_name_override", name))
    return grpc.aio.secure_channel(address, _client_credentials(settings.certificate), options=named)


def server_credentials(certificate: Certificate) -> grpc.ServerCredentials:
    """Return credentials that let in holders of a certificate of our authority; renewed files need no restart."""
    watch = Watch(certificate.certificate_file, certificate.key_file, certificate.authority_file)
    watch.changed()
    read = _read(certificate)
    return grpc.dynamic_ssl_server_credentials(
        _configuration(read), _renewing(certificate, watch, read), require_client_authentication=True
    )


def certificate_names(context: Any) -> frozenset[str]:
    """Return the names in the certificate that the caller has shown; none without TLS."""
    shown = context.auth_context().get("x509_subject_alternative_name", ())
    return frozenset(name.decode() for name in shown)


def _client_credentials(certificate: Certificate) -> grpc.ChannelCredentials:
    authority, key, chain = _read(certificate)
    return grpc.ssl_channel_credentials(root_certificates=authority, private_key=key, certificate_chain=chain)


def _read(certificate: Certificate) -> Contents:
    files = (certificate.authority_file, certificate.key_file, certificate.certificate_file)
    authority, key, chain = (file.read_bytes() for file in files)
    return authority, key, chain


def _configuration(read: Contents) -> Any:
    authority, key, chain = read
    return grpc.ssl_server_certificate_configuration([(key, chain)], authority)


def _renewing(certificate: Certificate, watch: Watch, known: Contents) -> Callable[[], Any]:
    """Return what gRPC asks before each handshake: a configuration when the files changed, else None."""

    def renewed() -> Any:
        nonlocal known
        try:
            if not watch.changed() or (read := _read(certificate)) == known:
                return None
            known, configuration = read, _configuration(read)
        except OSError as error:  # being replaced just now; the next handshake looks again
            watch.distrust()
            telemetry.log.warning("certificate not read", error=type(error).__name__)
            return None
        telemetry.log.info("certificate renewed")
        return configuration

    return renewed
