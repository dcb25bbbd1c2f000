"""What stands in for a node of the cluster: a pod's container as a plain process, with its environment and files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.charts import Object, container

Contents = Mapping[str, Mapping[str, str]]  # of a Secret or ConfigMap: what is under which key


@dataclass
class Node:
    """Runs pods from the folder of the image, and tells them nothing of this program's environment."""

    folder: Path
    image: Path
    secrets: Contents
    config_maps: Contents = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)  # a pod's port, and the one it has on this machine

    def environment(self, pod: Object) -> dict[str, str]:
        """The variables of the container, its folders and ports being those of this machine."""
        told = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        mounted = self._mounted(pod)
        places = re.compile(f"^({'|'.join(mounted)})(?=/|$)")
        for entry in container(pod)["env"]:
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                told[entry["name"]] = self.secrets[reference["name"]][reference["key"]]
                continue
            value = places.sub(lambda found: str(mounted[found[0]]), str(entry["value"]))
            told[entry["name"]] = str(self.ports.get(value, value)) if entry["name"].endswith("_PORT") else value
        return told

    def run(self, pod: Object, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a pod to its end, which is expected to come by itself."""
        return subprocess.run(
            self._command(pod), cwd=self.image, env=self.environment(pod), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip

    def start(self, pod: Object, log: Path) -> subprocess.Popen[bytes]:
        """Start a pod that goes on; whoever asked for it ends it."""
        with log.open("wb") as output:
            return subprocess.Popen(
                self._command(pod), cwd=self.image, env=self.environment(pod), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _command(self, pod: Object) -> list[str]:
        only = container(pod)
        return [sys.executable if part == "python" else part for part in (*only["command"], *only.get("args", ()))]

    def _mounted(self, pod: Object) -> dict[str, Path]:
        """Write the files of the pod's volumes; where each mount is on this machine."""
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounted = {}
        for mount in container(pod)["volumeMounts"]:
            folder = self.folder / "volumes" / mount["mountPath"].strip("/").replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            mounted[mount["mountPath"]] = folder
            for path, content in self._files(volumes[mount["name"]]).items():
                (folder / path).write_text(content)
        return mounted

    def _files(self, volume: Object) -> Mapping[str, str]:
        if "secret" in volume:
            source, held = volume["secret"], self.secrets[volume["secret"]["secretName"]]
        elif "configMap" in volume:
            source, held = volume["configMap"], self.config_maps[volume["configMap"]["name"]]
        else:
            return {}
        return {item["path"]: held[item["key"]] for item in source["items"]} if "items" in source else held
