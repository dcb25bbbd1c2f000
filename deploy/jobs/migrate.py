"""Brings every service's schema up to date, each as its owner: `python -m deploy.jobs.migrate`; repeatable."""

from __future__ import annotations

import subprocess
import sys

from deploy.names import SERVICES


def main() -> int:
    """Migrate one service after the other; ends at the first that fails, whose output tells why."""
    for service in SERVICES:
        print(f"migrating {service} …", flush=True)  # noqa: T201 - a command's output
        done = subprocess.run([sys.executable, "-m", f"services.{service}", "migrate"], check=False)  # noqa: S603 - our own
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
