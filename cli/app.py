"""The `attune` command: every topic module adds its commands here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from cli import (
    actuals,
    appeals,
    calibration,
    cycles,
    demo,
    explain,
    exports,
    goals,
    groups,
    operations,
    participants,
    people,
    results,
    schedules,
    stack,
    tasks,
    templates,
    tenants,
    traces,
)
from cli.output import Exit, Failure, tell

TOPICS = (
    stack,
    demo,
    tenants,
    people,
    groups,
    templates,
    goals,
    cycles,
    schedules,
    participants,
    actuals,
    tasks,
    calibration,
    results,
    appeals,
    exports,
    operations,
    explain,
    traces,
)


class Attune(TyperGroup):
    """The command line as a whole: it says why a command ended, with `--json` as JSON, wrong usage too."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run the command that the arguments name, and leave with its exit code."""
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        try:
            code = super().main(given, *more, **{**options, "standalone_mode": not as_json})
        except Failure as failure:
            tell(failure, as_json=as_json)
            sys.exit(failure.code)
        except typer.TyperException as error:
            tell(Failure(error.format_message(), Exit.USAGE), as_json=as_json)
            sys.exit(Exit.USAGE)
        except typer.Abort:
            sys.exit(Exit.FAILED)
        sys.exit(code if isinstance(code, int) else Exit.OK)


app = typer.Typer(
    cls=Attune,
    help="Attune (同频): performance reviews that run by themselves, on time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for topic in TOPICS:
    topic.register(app)
