"""The ports of the local stack: the documented ones, or a free one where another program listens."""

from __future__ import annotations

import fcntl
import random
import socket
import tempfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from deploy.names import SERVICES

PortMode = Literal["standard", "free"]
LOOPBACK = "127.0.0.1"

STANDARD: Mapping[str, int] = {
    "gateway": 8080,
    "people": 50051,
    "goals": 50052,
    "reviews": 50053,
    "scoring": 50054,
    "notify": 50055,
    "engine": 50056,
    "temporal": 7233,
    "temporal_ui": 8233,
    "redis": 6379,
    "collector": 4317,
    "people_metrics": 9051,
    "goals_metrics": 9052,
    "reviews_metrics": 9053,
    "scoring_metrics": 9054,
    "notify_metrics": 9055,
    "bridge_metrics": 9056,
    "worker_metrics": 9057,
    "gateway_metrics": 9080,
}
# Here Temporal's services talk to one another, and the supervisor asks services how they are; nobody else does, so
# any free port will do.
INTERNAL: tuple[str, ...] = (
    *(
        f"temporal_{service}_{use}"
        for service in ("frontend", "history", "matching", "worker")
        for use in ("grpc", "membership")
        if (service, use) != ("frontend", "grpc")
    ),
    *(f"{service}_health" for service in SERVICES),
)

# Below the range from which the kernel takes the ports of outgoing connections, so that nothing takes a port
# while its process restarts.
_FREE_RANGE = range(20_000, 32_000)


class Claims:
    """The ports chosen by this stack, which no other stack of the machine takes before their processes listen.

    A locked file each: the locks end with the process that holds them, however it ends.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / "attune-ports"
        self._files: dict[int, IO[bytes]] = {}

    def take(self, port: int) -> bool:
        """Claim a port; False where another stack has."""
        if port in self._files:
            return True
        self._folder.mkdir(mode=0o777, parents=True, exist_ok=True)
        file = (self._folder / str(port)).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._files[port] = file
        return True

    def close(self) -> None:
        """Give all claims up."""
        while self._files:
            self._files.popitem()[1].close()


@dataclass(frozen=True)
class Moved:
    """A documented port that was busy."""

    name: str
    documented: int
    used: int

    def __str__(self) -> str:
        return f"port {self.documented} ({self.name}) is busy; using {self.used}"


def choose(
    mode: PortMode, kept: Mapping[str, int], claims: Claims, standard: Mapping[str, int] = STANDARD
) -> tuple[dict[str, int], list[Moved]]:
    """A port for every name, and the documented ports that were busy.

    `kept` are the ports of the run before, taken again where they are still free, so that addresses stay the same.
    """
    chosen: dict[str, int] = {}
    moved: list[Moved] = []
    with ExitStack() as held:
        for name in (*STANDARD, *INTERNAL):
            wanted = standard.get(name) if mode == "standard" else None
            candidates = [*([wanted] if wanted else []), *([kept[name]] if name in kept else [])]
            port = _hold_first(held, candidates, chosen.values(), claims)
            if wanted and port != wanted:
                moved.append(Moved(name, wanted, port))
            chosen[name] = port
    return chosen, moved


def take_free(count: int, claims: Claims) -> list[int]:
    """Ports for processes beside those of a stack, which no stack takes either while they are claimed."""
    taken: list[int] = []
    with ExitStack() as held:
        for _ in range(count):
            taken.append(_hold_first(held, (), taken, claims))
    return taken


def _hold_first(held: ExitStack, candidates: Iterable[int], taken: Collection[int], claims: Claims) -> int:
    """Bind the first free port of the candidates, else a random free one; it is held until all are chosen.

    The kernel lets two sockets that may reuse an address bind the same port while neither listens, and a claim of
    this stack is no hindrance to it: what this choice has taken is told by `taken`.
    """
    tries = (*candidates, *random.sample(_FREE_RANGE, 200))
    for port in tries:
        if port in taken:
            continue
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            listener.close()
            continue
        held.enter_context(listener)
        if claims.take(port):
            return port
    raise OSError("no free port found on the loopback interface")
