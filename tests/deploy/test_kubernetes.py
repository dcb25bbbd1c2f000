"""The control plane's programs: what they are built from, and a run that did not happen is told as such."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.kubernetes.programs import (
    CONTROL_PLANE,
    KUBERNETES,
    ProgramMissing,
    Programs,
    build_module,
    ensure,
)
from deploy.local.kubernetes.proof import CHART, NotShown, previous_chart
from deploy.local.layout import REPOSITORY

OF_KUBERNETES = """module k8s.io/kubernetes

go 1.25.0

godebug default=go1.25

require (
\tgo.etcd.io/etcd/api/v3 v3.6.5
\tgo.etcd.io/etcd/server/v3 v3.6.5
\tk8s.io/api v0.0.0
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/component-base => ./staging/src/k8s.io/component-base
)
"""


def test_kubernetes_is_built_with_its_own_libraries_and_its_own_etcd() -> None:
    staging = "v0." + KUBERNETES.partition(".")[2]
    assert build_module(OF_KUBERNETES).splitlines() == [
        "module attune.invalid/kubernetes",
        "go 1.25.0",
        "godebug default=go1.25",
        f"require k8s.io/kubernetes v{KUBERNETES}",
        "require go.etcd.io/etcd/server/v3 v3.6.5",
        f"replace k8s.io/api => k8s.io/api {staging}",
        f"replace k8s.io/component-base => k8s.io/component-base {staging}",
    ]


def test_without_go_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match=r"no Go to build them: etcd, .*kwok"):
        ensure(Programs(tmp_path / "kept"), CONTROL_PLANE, lambda _: None)


def test_a_kept_program_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(tmp_path)
    for name in CONTROL_PLANE:
        programs.path(name).write_text("")
        programs.path(name).chmod(0o755)
    monkeypatch.setenv("PATH", "")
    assert not programs.complete()
    for file in (programs.stages, programs.definitions):
        file.write_text("")
    assert programs.complete()
    ensure(programs, CONTROL_PLANE, pytest.fail)


def test_a_clone_without_the_previous_chart_is_told(tmp_path: Path) -> None:
    named = tmp_path / "PREVIOUS"
    named.write_text("0" * 40 + "\n")
    with pytest.raises(NotShown, match="NOT shown"):
        previous_chart(tmp_path, named)


def test_the_previous_chart_is_one_of_the_history_with_the_same_values_files(tmp_path: Path) -> None:
    chart, _ = previous_chart(tmp_path)
    assert chart != CHART
    assert {file.name for file in (chart / "values").iterdir()} <= {file.name for file in (CHART / "values").iterdir()}
    assert (chart / "alerts.yml").exists()


def test_a_run_that_was_not_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.kubernetes", "--if-kept"],
        cwd=REPOSITORY,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("NOT RUN: the chart on a control plane")
