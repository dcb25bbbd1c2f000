"""When files have to be read again."""

import os
import time
from pathlib import Path

import pytest

from services.runtime.watch import SETTLED_NS, Watch

HOUR_NS = 3600 * 10**9


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    changed_at(file, time.time_ns() - HOUR_NS)
    return file


def changed_at(file: Path, instant: int) -> None:
    os.utime(file, ns=(instant, instant))


def test_what_changed_long_ago_is_read_once(file: Path) -> None:
    watch = Watch(file)
    assert [watch.changed() for _ in range(3)] == [True, False, False]


def test_what_changed_just_now_is_read_again(file: Path) -> None:
    watch = Watch(file)
    watch.changed()
    changed_at(file, time.time_ns() + HOUR_NS)
    assert [watch.changed() for _ in range(3)] == [True, True, True]
    changed_at(file, time.time_ns() - SETTLED_NS)
    assert [watch.changed() for _ in range(3)] == [True, False, False]


def test_what_was_put_in_its_place_is_read_be_it_as_old(file: Path) -> None:
    watch, other = Watch(file), file.with_name("other")
    watch.changed()
    other.write_bytes(b"new")
    changed_at(other, file.stat().st_mtime_ns)
    other.replace(file)
    assert [watch.changed(), watch.changed()] == [True, False]


def test_what_could_not_be_read_is_read_again(file: Path) -> None:
    watch = Watch(file)
    watch.changed()
    watch.distrust()
    assert [watch.changed(), watch.changed()] == [True, False]


def test_each_of_several_files_counts_and_none_may_be_missing(file: Path, tmp_path: Path) -> None:
    watch = Watch(tmp_path, file)
    changed_at(tmp_path, time.time_ns() - HOUR_NS)
    assert [watch.changed(), watch.changed()] == [True, False]
    changed_at(file, time.time_ns() - 2 * HOUR_NS)
    assert watch.changed()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        watch.changed()
