"""The command line of one bench."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.bench.figures import Figure, print_figures
from tests.bench.standing import Standing, standing

Measure = Callable[[Standing, bool], Awaitable[Sequence[Figure]]]


def arguments(description: str) -> argparse.ArgumentParser:
    """What every bench may be told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs: shows that the bench works")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def run(measure: Measure, *, engine: bool = False) -> None:
    """Run one bench on a stack of its own."""
    given = arguments(measure.__module__).parse_args()
    print_figures(asyncio.run(_on_its_own(measure, given.quick, engine)), as_json=given.json)


async def _on_its_own(measure: Measure, quick: bool, engine: bool) -> Sequence[Figure]:
    async with standing(engine=engine) as opened:
        return await measure(opened, quick)
