"""`make test-k8s`: shows the chart on a real control plane; `--if-kept` only where its programs are there already."""

from __future__ import annotations

import argparse
import sys

from deploy.local.kubernetes.control_plane import ControlPlaneFailed, running
from deploy.local.kubernetes.programs import CONTROL_PLANE, ProgramMissing, Programs, ensure
from deploy.local.kubernetes.proof import Proof


def report(text: str) -> None:
    """Tell whoever runs this."""
    print(text, flush=True)  # noqa: T201 - a command's output


def main() -> int:
    """0 when everything was seen; also where nothing could be and only what is there was asked for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.kubernetes", description=__doc__)
    parser.add_argument("--if-kept", action="store_true", help="build nothing; say so where programs are missing")
    wanted = parser.parse_args()
    programs = Programs.of_user()
    if wanted.if_kept and not programs.complete():
        report(f"NOT RUN: the chart on a control plane; its programs are not in {programs.folder} (make test-k8s)")
        return 0
    try:
        ensure(programs, CONTROL_PLANE, report)
        with running(programs, report) as plane:
            return 0 if Proof(plane, report).run() else 1
    except (ProgramMissing, ControlPlaneFailed) as reason:
        report(f"failed: {reason}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
