"""Page tokens as the gateway seals them."""

import pytest

from services.gateway.errors import Refusal
from services.gateway.paging import Pages
from tests.identity import Keyring

TOKEN = "from the service: é"


def test_every_gateway_of_an_installation_opens_what_another_sealed(keyring: Keyring) -> None:
    file = keyring.private_key("gateway")
    sealed = Pages(file).seal(TOKEN, "list and filter")
    assert Pages(file).open(sealed, "list and filter") == TOKEN
    assert TOKEN not in sealed
    with pytest.raises(Refusal):
        Pages(keyring.private_key("gateway", 2)).open(sealed, "list and filter")
    assert Pages(file).seal("", "list and filter") == Pages(file).open("", "any") == ""
