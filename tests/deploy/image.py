"""What the Dockerfile copies, read from it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.local.layout import REPOSITORY

DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The instructions and their arguments, lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    found = (line.split(maxsplit=1) for line in joined.splitlines() if line and not line.startswith("#"))
    return [(name, arguments) for name, arguments in found]


def copied() -> Iterator[Path]:
    """The files and folders of the repository that go into the image."""
    for name, arguments in instructions():
        if name == "COPY" and not arguments.startswith("--from"):
            yield from (REPOSITORY / source for source in arguments.split()[:-1])


def groups() -> list[str]:
    """The dependency groups that go into the image."""
    return re.findall(r"--group (\w+)", DOCKERFILE.read_text())


def packages() -> list[str]:
    """The distributions of those groups, by the lock file."""
    uv = shutil.which("uv") or str(REPOSITORY / ".attune" / "uv" / "bin" / "uv")
    chosen = [part for group in groups() for part in ("--group", group)]
    command = [uv, "export", "--frozen", "--quiet", "--no-default-groups", "--no-hashes", "--no-annotate", *chosen]
    lines = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    return [re.split(r"[=\[ ]", line, maxsplit=1)[0] for line in lines if "==" in line]


def lay_out(folder: Path) -> Path:
    """A folder with what the image holds and nothing else of the repository."""
    for source in copied():
        target = folder / source.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.proto", "*.pyi"))
        else:
            shutil.copy2(source, target)
    return folder
