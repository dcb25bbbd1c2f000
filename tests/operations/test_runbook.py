"""The runbook: every command of docs/operations.md and docs/operations/ runs, in order, and prints what is written."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.layout import REPOSITORY

DOCS = REPOSITORY / "docs"
FENCE = re.compile(r"^ *```(.*)$")
RUN, CLUSTER, OUTPUT = "sh", "sh cluster", "text"
# Pages that need more than a stack, and the programs that take their commands from them.
ELSEWHERE = {
    "deploy.md": ("deploy/local/kubernetes/proof.py",),
    "security.md": ("tests/security/test_runbook.py",),
    "stalled.md": ("tests/cli/test_stalled.py",),
    "telemetry.md": ("tests/telemetry/test_traces.py",),
}
ENDS_WITHIN_SECONDS = 1800
DONE = "runbook-block-done"


@dataclass(frozen=True)
class Block:
    """One fenced block; `output` is what the text below it says that it prints."""

    page: str
    line: int
    info: str
    body: str
    output: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the pages in the order in which they are executed here."""
    others = sorted((DOCS / "operations").glob("*.md"))
    return [DOCS / "operations.md", *(page for page in others if page.name not in ELSEWHERE)]


def blocks(page: str, source: str) -> list[Block]:
    """Return the fenced blocks of a page; a block of output belongs to the commands right above it."""
    found: list[Block] = []
    lines = source.splitlines()
    at = ended = 0
    while at < len(lines):
        if fence := FENCE.match(lines[at]):
            end = next(n for n in range(at + 1, len(lines)) if FENCE.match(lines[n]))
            body = lines[at + 1 : end]
            if fence[1] == OUTPUT and found and found[-1].info == RUN and at == ended + 1:
                found[-1] = Block(found[-1].page, found[-1].line, RUN, found[-1].body, tuple(body))
            else:
                found.append(Block(page, at + 1, fence[1].strip(), "\n".join(body)))
            at = ended = end
        at += 1
    return found


def misplaced(found: Sequence[Block]) -> list[str]:
    """Return the blocks that nothing checks: only known markers count, and a test that is named must hold the lines."""
    wrong: list[str] = []
    for block in found:
        if block.info.startswith("sh tests/"):
            test = REPOSITORY / block.info.removeprefix("sh ")
            said = test.read_text(encoding="utf-8") if test.is_file() else ""
            wrong += [f"{block.place}: {test} does not run {line!r}" for line in block.body.splitlines()
                      if _words(line) not in _words(said)]  # fmt: skip
        elif block.info not in (RUN, CLUSTER):
            wrong.append(f"{block.place}: a block marked {block.info!r} is checked by nothing")
    return wrong


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w./:-]+", text))


def unprinted(block: Block, printed: str) -> list[str]:
    """Return the first line that should have come and did not, if any; the lines come in the order of the text."""
    lines = iter(printed.splitlines())
    for wanted in block.output:
        pattern = re.compile(".*".join(map(re.escape, wanted.strip().split("…"))))
        if not any(pattern.fullmatch(line.strip()) for line in lines):
            return [wanted]
    return []


class Shell:
    """One shell for all blocks, so that what one exports the next one knows."""

    def __init__(self, data_dir: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ATTUNE_")}
        self._shell = subprocess.Popen(
            ["timeout", str(ENDS_WITHIN_SECONDS), "bash"],
            cwd=REPOSITORY,
            env={**kept, "ATTUNE_DATA_DIR": str(data_dir), "COLUMNS": "160"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> tuple[int, str]:
        """Run a block; return the exit code of its last command that failed, else 0, and what it printed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        # In this very shell, for a subshell would forget what was exported.
        guarded = f"set -o pipefail; code=0; trap 'code=$?' ERR; {{\n{commands}\n}} < /dev/null; trap - ERR"
        guarded += f"; echo; echo {DONE} $code\n"
        self._shell.stdin.write(guarded)
        self._shell.stdin.flush()
        printed: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(DONE):
                return int(line.split()[1]), "".join(printed)
            printed.append(line)
        return 255, "".join(printed)

    def close(self) -> None:
        """Stop the stack that the blocks may have left up."""
        self.run("make down")
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(30)
        if self._shell.stdout is not None:
            self._shell.stdout.close()


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A shell whose stack has its data in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="attune-runbook-") as folder:
        shell = Shell(Path(folder) / "data")
        try:
            yield shell
        finally:
            shell.close()


def test_every_block_of_the_runbook_is_checked_by_something() -> None:
    found = [block for page in pages() for block in blocks(page.name, page.read_text(encoding="utf-8"))]
    assert len([block for block in found if block.info == RUN]) > 10
    assert misplaced(found) == []


@pytest.mark.parametrize("page", sorted(ELSEWHERE))
def test_a_page_that_is_executed_elsewhere_is_read_there(page: str) -> None:
    assert (DOCS / "operations" / page).is_file()
    readers = [REPOSITORY / name for name in ELSEWHERE[page]]
    assert [reader for reader in readers if page not in reader.read_text(encoding="utf-8")] == []


@pytest.mark.enable_socket
def test_every_command_of_the_runbook_runs_and_prints_what_is_written(shell: Shell) -> None:
    for page in pages():
        for block in blocks(page.name, page.read_text(encoding="utf-8")):
            if block.info == RUN:
                code, printed = shell.run(block.body)
                assert code == 0, f"{block.place} ended with {code}:\n{printed}"
                assert unprinted(block, printed) == [], f"{block.place} printed:\n{printed}"


def test_a_block_that_nothing_checks_is_found() -> None:
    source = (
        "```sh\ntrue\n```\n```text\nwell\n```\n\n```bash\nrm\n```\n\n```text\nloose\n```\n```sh tests/none.py\nx\n```"
    )
    found = blocks("page.md", source)
    assert found[0] == Block("page.md", 1, "sh", "true", ("well",))
    assert [line.split(": ")[0] for line in misplaced(found)] == ["page.md:8", "page.md:12", "page.md:15"]


def test_a_command_that_fails_and_a_line_that_does_not_come_are_found(shell: Shell) -> None:
    assert shell.run("export WORD=kept\necho one")[0] == 0
    assert shell.run("echo $WORD\nfalse\necho two")[0] == 1
    code, printed = shell.run("echo $WORD; echo 12 rows")
    assert (code, unprinted(Block("p", 1, RUN, "", ("kept", "… rows")), printed)) == (0, [])
    assert unprinted(Block("p", 1, RUN, "", ("… rows", "kept")), printed) == ["kept"]
