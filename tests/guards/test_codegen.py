"""Generated code is committed as the protos say it should be."""

import shutil
from pathlib import Path

from tests.guards import codegen


def test_generated_code_is_current() -> None:
    assert codegen.drift(codegen.ROOT) == []


def test_a_changed_proto_is_found(tmp_path: Path) -> None:
    shutil.copytree(codegen.ROOT / "protos", tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__"))
    proto = tmp_path / "protos" / "engine" / "v1" / "engine.proto"
    proto.write_text(proto.read_text().replace("string run_id = 2;", "string run_name = 2;"))
    assert codegen.drift(tmp_path) == ["protos/engine/v1/engine_pb2.py", "protos/engine/v1/engine_pb2.pyi"]
