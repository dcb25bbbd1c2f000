"""The image without a container engine: the steps of the Dockerfile, read from it and done in a folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.local.layout import REPOSITORY

DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"
HOME = "/opt/attune"  # where all of it is in the image
USER = 10001


def instructions() -> list[tuple[str, str]]:
    """The instructions and their arguments, lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    found = (line.split(maxsplit=1) for line in joined.splitlines() if line and not line.startswith("#"))
    return [(name, arguments) for name, arguments in found]


def copied() -> Iterator[tuple[Path, str]]:
    """The files and folders of the repository that go into the image, each with where it goes."""
    for name, arguments in instructions():
        if name == "COPY" and not arguments.startswith("--from"):
            *sources, target = arguments.split()
            yield from ((REPOSITORY / source, target) for source in sources)


def groups() -> list[str]:
    """The dependency groups that go into the image."""
    return re.findall(r"--group (\w+)", DOCKERFILE.read_text())


def lay_out(folder: Path) -> Path:
    """A folder with what the image holds of the repository and nothing else."""
    for source, place in copied():
        if source.is_dir():
            for file in (each for each in source.rglob("*") if each.is_file() and not is_ignored(each)):
                _copy(file, folder / place / file.relative_to(source))
        else:
            assert not is_ignored(source), source
            _copy(source, folder / place / source.name)
    return folder


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


def is_ignored(file: Path) -> bool:
    """Whether the build does not see a file: the last line of .dockerignore that matches it or its folders decides."""
    inside = file.relative_to(REPOSITORY)
    ignored = False
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and any(_matches(pattern, each) for each in (inside, *inside.parents)):
            ignored = not line.startswith("!")
    return ignored


def _matches(pattern: str, path: Path) -> bool:
    spelled = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return path != Path(".") and re.fullmatch(spelled, path.as_posix()) is not None


def build(folder: Path, interpreter: Path) -> Path:
    """Do what the Dockerfile does to build, in a folder in place of its own; packages come from this user's cache."""
    lay_out(folder)
    told = dict(re.findall(r"(\w+)=(\S+)", next(arguments for name, arguments in instructions() if name == "ENV")))
    told = {name: value.replace(HOME, str(folder)) for name, value in told.items() if name != "UV_NO_CACHE"}
    uv = shutil.which("uv") or str(REPOSITORY / ".attune" / "uv" / "bin" / "uv")
    python = {"uv": [uv], "python": [str(folder / ".venv" / "bin" / "python")]}
    environment = {**os.environ, **told, "UV_PYTHON": str(interpreter), "VIRTUAL_ENV": ""}
    for name, arguments in instructions():
        command = shlex.split(arguments)
        if name == "RUN" and command[0] in python:
            subprocess.run(
                [*python[command[0]], *command[1:]], cwd=folder, env=environment, capture_output=True, check=True
            )
    return folder


def interpreter() -> Path | None:
    """A Python that the account of the image may run, too; none where there is no such."""
    candidates = (Path(sys.executable).resolve(), *map(Path, ("/usr/local/bin/python3", "/usr/bin/python3")))
    return next((each for each in candidates if each.exists() and _may_be_run_by_all(each) and _is_new(each)), None)


def _may_be_run_by_all(program: Path) -> bool:
    return os.geteuid() != 0 or all(each.stat().st_mode & 0o001 for each in (program, *program.resolve().parents))


def _is_new(program: Path) -> bool:
    newer = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([program, "-c", newer], check=False).returncode == 0
