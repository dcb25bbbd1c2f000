"""All benches, one after the other, and the one table of what they found: `python -m tests.bench`."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench import close, close_wait, commands, history, launch, processes, stalled, submit, telemetry
from tests.bench.figures import Figure, print_figures


@dataclass(frozen=True)
class Bench:
    """One bench, and whether it needs the workflow engine and all services."""

    measure: commands.Measure
    engine: bool = False


BENCHES: Mapping[str, Bench] = {
    "launch": Bench(launch.measure),
    "submit": Bench(submit.measure),
    "close": Bench(close.measure),
    "close_wait": Bench(close_wait.measure),
    "stalled": Bench(stalled.measure),
    "history": Bench(history.measure, engine=True),
    "processes": Bench(processes.measure, engine=True),
    "telemetry": Bench(telemetry.measure),
}


def main() -> None:
    """Run what is named, or all; the table comes at the end, progress on stderr."""
    parser = commands.arguments(__doc__ or "")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHES)}")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHES]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    print_figures(asyncio.run(_measured(given.names or list(BENCHES), given.quick)), given.shape)


async def _measured(names: Sequence[str], quick: bool) -> list[Figure]:
    figures: list[Figure] = []
    for name in names:
        begun = time.perf_counter()
        print(f"{name} …", file=sys.stderr, flush=True)
        bench = BENCHES[name]
        figures += await commands.on_its_own(bench.measure, quick, engine=bench.engine)
        print(f"{name} took {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    main()
