"""The wall: only networks, training and quantization import TensorFlow, directly or through another module."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import edge_ser
import firmware_bridge

WALLED = ("edge_ser.networks", "edge_ser.training", "edge_ser.quantization")


def _modules() -> list[str]:
    found = []
    for package in (edge_ser, firmware_bridge):
        walk = pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _name: None)
        found += [module.name for module in walk]
    return [name for name in found if not name.startswith(WALLED)]


BLOCKER = """
import importlib, sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError("the wall: " + name + " was imported")
sys.meta_path.insert(0, Wall())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_every_room_outside_the_wall_imports_without_tensorflow() -> None:
    modules = _modules()
    assert "edge_ser.runtime.pipeline" in modules
    assert "edge_ser.edgetpu.rules" in modules
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER, *modules], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["edge_ser.training.system", "edge_ser.quantization.convert"])
def test_the_blocker_blocks(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER, module], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "the wall" in done.stderr
