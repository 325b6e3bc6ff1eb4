"""The walls: what only networks, training and quantization import, and what running a bundle does without."""

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


EXTRAS = ("scipy", "sklearn", "joblib", "threadpoolctl", "matplotlib", "serial", "sounddevice", "h5py")
"""What `pip install edge-ser` alone does not bring."""

NEED_EXTRAS = ("edge_ser.evaluation", "edge_ser.handcrafted", "edge_ser.channel", *WALLED)
"""Rooms that measure, explain and train; `edge-ser[evaluate]` and `edge-ser[train]`."""

BLOCKER = """
import importlib, sys
barred, *modules = sys.argv[1:]
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in barred.split(","):
            raise ImportError("the wall: " + name + " was imported")
sys.meta_path.insert(0, Wall())
for name in modules:
    importlib.import_module(name)
"""
TENSORFLOW = "tensorflow,keras,tf_keras"


def _import_without(barred: str, *modules: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKER, barred, *modules]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_room_outside_the_wall_imports_without_tensorflow() -> None:
    modules = _modules()
    assert "edge_ser.runtime.pipeline" in modules
    assert "edge_ser.edgetpu.rules" in modules
    done = _import_without(TENSORFLOW, *modules)
    assert done.returncode == 0, done.stderr


def test_every_room_that_runs_a_bundle_imports_without_the_extras() -> None:
    modules = [name for name in _modules() if not name.startswith(NEED_EXTRAS)]
    assert {"edge_ser.runtime.recordings", "edge_ser.bundle_card", "edge_ser.corpora.registry"} <= set(
        modules
    )
    done = _import_without(f"{TENSORFLOW},{','.join(EXTRAS)}", *modules)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["edge_ser.training.system", "edge_ser.quantization.convert"])
def test_the_blocker_blocks(module: str) -> None:
    done = _import_without(TENSORFLOW, module)
    assert done.returncode != 0
    assert "the wall" in done.stderr
