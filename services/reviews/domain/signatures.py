"""What a signature is: a click, or a typed name, as the stage wants it."""

from services.reviews.domain.errors import SignatureRequired
from services.reviews.domain.model import Signature

CLICK = "click"
MAX_SIGNATURE = 200


def signature_method(signature: str) -> str:
    """`click`, `typed` for a name, nothing for nothing."""
    if signature == CLICK:
        return CLICK
    return "typed" if signature.strip() else ""


def typed_name(signature: str) -> str:
    return "" if signature == CLICK else signature.strip()


def require_signature(wanted: str, signature: str) -> str:
    """The method of a signature that satisfies the stage; where it wants none, doing it is a click."""
    method = signature_method(signature)
    if wanted == Signature.TYPED and method != "typed":
        raise SignatureRequired("type your name", field="signature")
    if wanted == Signature.CLICK and not method:
        raise SignatureRequired("the stage wants a signature", field="signature")
    return method or CLICK
