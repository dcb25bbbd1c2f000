"""The command line of one bench and of all of them."""

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
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", dest="shape", action="store_const", const="json", help="print JSON instead of a table")
    shape.add_argument(
        "--markdown", dest="shape", action="store_const", const="markdown", help="print a README's table"
    )
    parser.set_defaults(shape="table")
    return parser


def run(measure: Measure, *, engine: bool = False) -> None:
    """Run one bench on a stack of its own."""
    given = arguments(measure.__module__).parse_args()
    print_figures(asyncio.run(on_its_own(measure, given.quick, engine=engine)), given.shape)


async def on_its_own(measure: Measure, quick: bool, *, engine: bool) -> Sequence[Figure]:
    """Return the figures of one bench; its stack is made for it, so that no other bench's rows weigh on it."""
    async with standing(engine=engine) as opened:
        return await measure(opened, quick)
