"""PostgreSQL from a backup older and newer than Temporal's state: rows win, nothing is lost of it, or sent twice."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.operations.restores import Mail, Restore


@pytest.fixture(scope="module")
def mail() -> Iterator[Mail]:
    """The SMTP server of the module."""
    mail = Mail()
    yield mail
    mail.stop()


@pytest.fixture(scope="module")
def mailing_stack(mail: Mail) -> Iterator[Stack]:
    """A stack that sends mail, for all campaigns of the module."""
    with tempfile.TemporaryDirectory(prefix="attune-restore-") as folder:
        stack = Stack(Path(folder) / "stack", ports="free", environment=mail.settings(), tied=True)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.smoke), *range(2, 11)])
async def test_a_database_set_back_behind_the_engine_goes_on_from_its_rows(
    seed: int, mailing_stack: Stack, mail: Mail, tmp_path: Path
) -> None:
    campaign = Restore(mailing_stack, mail, tmp_path, seed)
    found = await campaign.older(new_cluster=seed % 2 == 1)
    assert found == [], "\n".join([*found, *campaign.said])


@pytest.mark.parametrize("seed", [pytest.param(11, marks=pytest.mark.smoke), *range(12, 21)])
async def test_an_engine_set_back_behind_the_database_goes_on_from_the_rows(
    seed: int, mailing_stack: Stack, mail: Mail, tmp_path: Path
) -> None:
    campaign = Restore(mailing_stack, mail, tmp_path, seed)
    found = await campaign.newer()
    assert found == [], "\n".join([*found, *campaign.said])
