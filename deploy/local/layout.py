"""Where the embedded stack keeps its files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# A unix socket's path may have 107 bytes on Linux and 103 on macOS.
SOCKET_PATH_LIMIT = 100
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Layout:
    """The paths below one data directory."""

    root: Path

    @staticmethod
    def at(data_dir: Path | str) -> Layout:
        """The layout below a data directory, made absolute."""
        return Layout(Path(data_dir).expanduser().resolve())

    @staticmethod
    def default() -> Layout:
        """`.attune` in the checkout, or where ATTUNE_DATA_DIR says."""
        return Layout.at(os.environ.get("ATTUNE_DATA_DIR") or REPOSITORY / ".attune")

    @property
    def state_file(self) -> Path:
        return self.root / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def progress_file(self) -> Path:
        return self.root / "progress.jsonl"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def traces(self) -> Path:
        return self.root / "traces"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def public_keys(self) -> Path:
        return self.keys / "public"

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def temporal(self) -> Path:
        return self.root / "temporal"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def socket_dir(self) -> Path:
        """The directory of PostgreSQL's socket: below the data directory, or a temporary one where that is too long."""
        near = self.root / "run"
        if len(os.fsencode(near / SOCKET_NAME)) < SOCKET_PATH_LIMIT:
            return near
        short_name = f"attune-{os.getuid()}-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:10]}"
        temporary = Path(tempfile.gettempdir()) / short_name
        return temporary if len(os.fsencode(temporary / SOCKET_NAME)) < SOCKET_PATH_LIMIT else Path("/tmp") / short_name  # noqa: S108 - the only short path there is

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    def private_key_file(self, name: str) -> Path:
        """The private key of one signer."""
        return self.keys / f"{name}.pem"

    def held_file(self, name: str) -> Path:
        """While it exists, the supervisor does not start this process again."""
        return self.root / "held" / name

    def checkout_file(self, name: str) -> Path:
        """The directory whose code this process runs when it starts next; this checkout where there is no file."""
        return self.root / "checkouts" / name

    def told_file(self, name: str) -> Path:
        """What this process alone is told when it starts next, as a mapping of variables; nothing without the file."""
        return self.root / "told" / name

    def make(self) -> None:
        """Make the directories; only their owner may enter the keys."""
        data = (self.logs, self.binaries, self.temporal, self.redis)
        for directory in (self.root, *data, *(self.root / name for name in ("held", "checkouts", "told"))):
            directory.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(mode=0o700, exist_ok=True)
        self.public_keys.mkdir(exist_ok=True)

    def release_all(self) -> None:
        """No process is held at the start of a run."""
        for held in (self.root / "held").iterdir():
            held.unlink()

    def run_from(self, checkout: Path, names: Iterable[str]) -> None:
        """Have these processes run the code of a checkout; all others run this one's."""
        for file in (self.root / "checkouts").iterdir():
            file.unlink()
        for name in names if checkout != REPOSITORY else ():
            self.checkout_file(name).write_text(str(checkout))

    def tell(self, variables: Mapping[str, Mapping[str, str]]) -> None:
        """Have each of these processes told something of its own, and all others nothing."""
        for file in (self.root / "told").iterdir():
            file.unlink()
        for name, own in variables.items():
            self.told_file(name).write_text(json.dumps(dict(own)))

    def told(self, name: str) -> dict[str, str]:
        """What a process alone is told."""
        file = self.told_file(name)
        variables: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return variables

    def rotate_logs(self) -> None:
        """Keep the log of the run before as `<process>.log.1`."""
        for log in self.logs.glob("*.log"):
            log.replace(log.with_name(log.name + ".1"))
