"""The authority's file is looked at where the driver reads it, and nowhere else."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from services.runtime.database import certificate_told
from tests.certificates import Authority

URL = "postgresql+asyncpg://r@db.example/attune"


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ("", False),
        ("?ssl=disable", False),
        ("?ssl=prefer", False),
        ("?ssl=require", True),  # the driver verifies as soon as it finds a file
        ("?ssl=verify-full", True),
        ("?sslmode=verify-ca", True),  # as the driver itself calls it
        ("?host=/run/postgresql", False),
    ],
)
@pytest.mark.parametrize("held", ["nothing", "no certificate"])
def test_a_file_that_nobody_reads_keeps_nobody_from_starting(
    options: str, read: bool, held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.crt"
    if held != "nothing":
        file.write_text(held)
    monkeypatch.setenv("PGSSLROOTCERT", str(file))
    says = rf"^PGSSLROOTCERT: no authority can be read from {file}: "
    with pytest.raises(SystemExit, match=says) if read else nullcontext(), certificate_told(URL, URL + options):
        assert not read


def test_a_file_with_a_certificate_keeps_nobody_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(Authority(tmp_path / "authority").file))
    with certificate_told(f"{URL}?ssl=verify-full"):
        return
