"""The runbook of deployments: its commands outside a cluster run, its tables name what is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from deploy.local.kubernetes.proof import RUNBOOK, named_secrets, sh_blocks
from deploy.local.layout import REPOSITORY
from tests.deploy.charts import VALUES, rendered
from tests.deploy.compose import OVERLAYS, passwords

COMPOSE, _, KUBERNETES = RUNBOOK.read_text().partition("## Kubernetes")


def test_the_commands_for_compose_run(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(REPOSITORY / ".venv")
    (tmp_path / "deploy").symlink_to(REPOSITORY / "deploy")
    for block in sh_blocks(COMPOSE):
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, check=True)
    made = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert made.keys() == passwords().keys()
    assert len(set(made.values())) == len(made)


def test_files_that_commands_name_exist() -> None:
    named = set(re.findall(r"--(?:file|values) (\S+)", RUNBOOK.read_text()))
    assert {str((OVERLAYS / f"{name}.yml").relative_to(REPOSITORY)) for name in ("trial", "observability")} <= named
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_every_secret_that_pods_name_is_in_the_table() -> None:
    table = " ".join(line for line in KUBERNETES.splitlines() if line.startswith("| `attune"))
    for values in VALUES:
        for name, key in {named for each in rendered(values) for named in named_secrets(each)}:
            general = re.sub(r"-(gateway|people|goals|reviews|scoring|notify|bridge|worker)$", "", name)
            assert f"`{name}`" in table or f"`{general}-<" in table, name
            assert not key or key in table.replace("<service>-url", key if key.endswith("-url") else ""), (name, key)
