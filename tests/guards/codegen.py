"""Generates the protobuf code anew and compares it with what is committed; run as a module it writes it in place."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]


def generate(root: Path, out: Path) -> None:
    """Generate messages, stubs and their types for every proto below root/protos into out."""
    plugins = Path(sys.executable).parent
    protos = sorted(path.relative_to(root).as_posix() for path in (root / "protos").rglob("*.proto"))
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={out}", f"--grpc_python_out={out}"),
            *(f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}", f"--mypy_out=quiet:{out}"),
            *(f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}", f"--mypy_grpc_out=quiet:{out}"),
            *protos,
        ],
        cwd=root,
        check=True,
    )


def drift(root: Path) -> list[str]:
    """Names of generated files that are missing, stale or left over."""
    with TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(root, fresh)
        wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
        committed = {
            path.relative_to(root)
            for pattern in ("*_pb2*.py", "*_pb2*.pyi")
            for path in (root / "protos").rglob(pattern)
        }
        stale = {name for name in wanted & committed if (fresh / name).read_bytes() != (root / name).read_bytes()}
        return sorted(name.as_posix() for name in (wanted ^ committed) | stale)


if __name__ == "__main__":
    generate(ROOT, ROOT)
