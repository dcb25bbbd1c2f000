"""Let Temporal's SDK download its development server, in a process of its own that can be given up."""

from __future__ import annotations

import asyncio
import sys

from temporalio.testing import WorkflowEnvironment


async def download(folder: str) -> None:
    """Fetch the program and see it start once."""
    environment = await WorkflowEnvironment.start_local(download_dest_dir=folder)
    await environment.shutdown()


if __name__ == "__main__":
    asyncio.run(download(sys.argv[1]))
