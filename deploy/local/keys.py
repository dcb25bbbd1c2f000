"""The key pairs with which the processes of the local stack name themselves, and that of the local token issuer."""

from __future__ import annotations

from deploy.jobs.keys import make_pair
from deploy.local.layout import Layout
from deploy.names import LOCAL_ISSUER, SIGNERS


def make_keys(layout: Layout) -> None:
    """Make the key pair of every signer that has none yet, and the local issuer's signing key.

    Private keys are `<name>.pem`, readable by their owner only; public ones `public/<name>-1.pem`, except the
    issuer's, which the gateway derives itself: a user's token must never pass for a service's.
    """
    for name in (*SIGNERS, LOCAL_ISSUER):
        public = None if name == LOCAL_ISSUER else layout.public_keys / f"{name}-1.pem"
        make_pair(layout.private_key_file(name), public)
