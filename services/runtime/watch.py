"""Whether files that others replace while a process runs may have changed since they were last read."""

import time
from pathlib import Path

SETTLED_NS = 10**9


class Watch:
    """Looks at the instants of change of files, or of a directory for what it lists; to be asked before each reading.

    An instant is no finer than the tick of the kernel (some milliseconds): what changed less than a second ago may
    change once more under the same instant, so it counts as changed when asked again, too.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen: tuple[tuple[int, int], ...] | None = None

    def changed(self) -> bool:
        """Return whether to read, as when asked for the first time; raises OSError for what is not there."""
        found = tuple((stat.st_mtime_ns, stat.st_ino) for stat in (path.stat() for path in self._paths))
        if found == self._seen:
            return False
        last = max(changed for changed, _ in found)
        self._seen = found if time.time_ns() - last >= SETTLED_NS else None
        return True

    def distrust(self) -> None:
        """Have it count as changed when asked again: what was read was being written, or could not be read."""
        self._seen = None
