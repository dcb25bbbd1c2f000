"""pgbench over the statement of a submission: the same SQL, prepared, four trips, in a database of its own."""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from deploy.local.postgres import binary

RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


@dataclass
class Stretch:
    """What came of one run."""

    rate: float  # transactions a second
    latencies: list[float] = field(default_factory=list)  # seconds, from the instant at which a transaction was due


def script(statement: str, values: Mapping[int, str], opening: str) -> str:
    """Four trips: BEGIN, the opening, the statement with SQL instead of its numbered parameters, COMMIT.

    pgbench takes a colon before a letter for a variable of its own, even inside a string.
    """
    written = re.sub(r"\$(\d+)", lambda match: values[int(match[1])], statement)
    written = written.replace("HH24:MI:SS", "HH24' || chr(58) || 'MI' || chr(58) || 'SS")
    numbered = "\\set task :client_id * 1000000 + :base + :done\n\\set done :done + 1\n"
    return f"{numbered}BEGIN;\n{opening};\n{written};\nCOMMIT;\n"


async def run(url: str, file: Path, seconds: float, *, clients: int, base: int, rate: float | None = None) -> Stretch:
    """Run a script; each client numbers its transactions from `base`. Raises RuntimeError with pgbench's complaint."""
    parts = urlsplit(url)
    where = {"PGHOST": parse_qs(parts.query).get("host", [parts.hostname or ""])[0], "PGUSER": parts.username or ""}
    where |= {
        "PGPORT": str(parts.port or 5432),
        "PGDATABASE": parts.path.strip("/"),
        "PGPASSWORD": parts.password or "",
    }
    prefix = file.with_suffix(".log")
    options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(round(seconds)), "-f", str(file)]
    options += ["-D", "done=0", "-D", f"base={base}"]
    if rate:
        options += ["-R", f"{rate:.1f}", "-l", f"--log-prefix={prefix}"]
    process = await asyncio.create_subprocess_exec(
        str(binary("pgbench")), *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **where, "PGOPTIONS": "-c search_path=reviews"},
    )  # fmt: skip
    output, complaint = await process.communicate()
    measured = RATE.search(output.decode())
    if process.returncode or measured is None:
        raise RuntimeError(f"pgbench: {complaint.decode()[-2000:]}")
    return Stretch(float(measured[1]), _latencies(prefix))


def _latencies(prefix: Path) -> list[float]:
    """From the logs, which are deleted: the third column is microseconds from the scheduled start."""
    latencies: list[float] = []
    for log in prefix.parent.glob(prefix.name + ".*"):
        latencies += [int(line.split()[2]) / 1e6 for line in log.read_text().splitlines()]
        log.unlink()
    return latencies
