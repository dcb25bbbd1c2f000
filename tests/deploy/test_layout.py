"""Paths of the local stack."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from deploy.local.keys import make_keys
from deploy.local.layout import SOCKET_NAME, SOCKET_PATH_LIMIT, Layout
from deploy.names import LOCAL_ISSUER, SIGNERS


def test_socket_stays_below_a_short_data_directory() -> None:
    layout = Layout(Path("/srv/attune/.attune"))
    assert layout.socket_dir == layout.root / "run"


def test_socket_of_a_long_path_goes_to_a_short_directory_of_its_own() -> None:
    one, two = (Layout(Path("/srv") / ("long" * 30) / name) for name in ("one", "two"))
    for layout in (one, two):
        assert len(os.fsencode(layout.socket_dir / SOCKET_NAME)) < SOCKET_PATH_LIMIT
    assert one.socket_dir != two.socket_dir
    assert one.socket_dir == Layout(one.root).socket_dir


def test_rotation_keeps_the_log_of_the_run_before(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    layout.make()
    layout.log("people").write_text("before")
    layout.rotate_logs()
    assert not layout.log("people").exists()
    assert (layout.logs / "people.log.1").read_text() == "before"


def test_private_keys_are_for_their_owner_only_and_never_change(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    layout.make()
    make_keys(layout)
    files = [layout.private_key_file(name) for name in (*SIGNERS, LOCAL_ISSUER)]
    first = [file.read_bytes() for file in files]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(set(first)) == len(first)
    make_keys(layout)
    assert [file.read_bytes() for file in files] == first


def test_the_issuer_of_users_tokens_is_no_signer_among_services(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    layout.make()
    make_keys(layout)
    assert {file.name for file in layout.public_keys.iterdir()} == {f"{name}-1.pem" for name in SIGNERS}
