"""The machine that times were taken on, and how busy it was."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from edge_ser import __version__

_PACKAGES: Final = ("ai-edge-litert", "tflite-runtime", "tflite-micro", "numpy", "scipy")
_CPU_INFO: Final = Path("/proc/cpuinfo")
_GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_STATUS: Final = Path("/proc/self/status")
_BUSY_SHARE: Final = 0.25
"""Load per core above which a machine counts as busy: one process in four cores' worth of time is felt in a p99."""


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        system: name and release of its operating system.
        architecture: e.g. ``"x86_64"``.
        cpu: what its processor calls itself.
        cores: logical processors.
        usable_cores: of them, those that this process may use.
        memory_bytes: of the machine; 0 where it does not say.
        governor: how its clock is chosen, e.g. ``"performance"``; ``""`` where it does not say.
        python: version.
        packages: versions of what computes.
    """

    system: str
    architecture: str
    cpu: str
    cores: int
    usable_cores: int
    memory_bytes: int
    governor: str
    python: str
    packages: dict[str, str]

    def differences(self, other: Machine) -> tuple[str, ...]:
        """What makes times of two machines incomparable, in words; empty where nothing does."""
        names = ("architecture", "cpu", "cores", "usable_cores", "memory_bytes", "governor", "system")
        return tuple(
            f"{name}: {getattr(self, name)!s} and {getattr(other, name)!s}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        )


def this_machine() -> Machine:
    """The machine that this runs on."""
    packages = {"edge-ser": __version__}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        usable_cores=usable,
        memory_bytes=_memory_bytes(),
        governor=_first_line(_GOVERNOR),
        python=platform.python_version(),
        packages=packages,
    )


def load() -> float | None:
    """Processes that wanted to run in the last minute, on average; ``None`` where the system does not say."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def is_busy(load_before: float | None, cores: int) -> bool:
    """Whether other work was running before: then times say as much of that as of what was timed.

    Args:
        load_before: processes that wanted to run, as :func:`load` counts them; ``None`` where that is not known.
        cores: of the processor.
    """
    return load_before is not None and load_before > _BUSY_SHARE * cores


def resident_bytes(*, peak: bool) -> int | None:
    """Memory that this process holds now, or held at most; ``None`` where the system does not say.

    Linux' own count of this process: what ``getrusage`` says there may still be the parent's from before.
    """
    name = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(name)]
    return int(found[0][1]) * 1024 if found else None


def switched_away() -> int:
    """How often the system has taken the processor away from this process while it wanted to go on."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _cpu() -> str:
    try:
        lines = _CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    # x86 says "model name"; ARM says which board ("Model") and which part of which maker.
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    arm = " ".join(told[name] for name in ("CPU implementer", "CPU part") if name in told)
    return told.get("model name") or told.get("Model") or arm or platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
