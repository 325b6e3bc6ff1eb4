"""Does an image fit its board: every section against the linker script's regions, and what is left of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_bridge.elf_image import ElfImage, Section
from firmware_bridge.generate import CONSOLE_INIT
from firmware_bridge.linker_script import Region

LEAST_LEFT: Final = {"m_text": 10_000, "m_data": 10_000}
"""Bytes that must be left of the M7's own memories, which the SDK nearly fills: what a user may add."""

SYMBOLS: Final = {
    "app_main": "the application",
    f"__wrap_{CONSOLE_INIT}": "the console's input (linker option --wrap)",
    "_ZN10coralmicro11AudioDriver6EnableERKNS_17AudioDriverConfigEPvPFvS4_PKljE": "the microphone",
    "_ZN6tflite16MicroInterpreter6InvokeEv": "TensorFlow Lite Micro",
    "eser_listener_feed": "the portable core",
    "eser_protocol_answer": "the board protocol",
}
"""What an image must hold, by the name that Arm's g++ gives it: a linker drops what nothing calls."""
EDGE_TPU_SYMBOL: Final = "_ZN10coralmicro14EdgeTpuManager10OpenDeviceENS_15PerformanceModeE"


@dataclass(frozen=True)
class RegionUse:
    """How full a region is.

    Attributes:
        region: the region.
        sections: what lies in it while the program runs.
        loaded: what only waits there to be moved elsewhere by the start-up code.
        used: from its origin to the end of the last of both.
    """

    region: Region
    sections: tuple[Section, ...]
    loaded: tuple[Section, ...]
    used: int

    @property
    def left(self) -> int:
        """Bytes behind the last section; below 0 where it overflows."""
        return self.region.length - self.used


@dataclass(frozen=True)
class ImageReport:
    """An image against its linker script.

    Attributes:
        uses: every region.
        problems: why the image is not accepted; empty where it is.
    """

    uses: tuple[RegionUse, ...]
    problems: tuple[str, ...]


def check_image(image: ElfImage, regions: Mapping[str, Region], *, edge_tpu: bool) -> ImageReport:
    """Hold an image against its regions.

    Args:
        image: the linked application.
        regions: of the linker script that it was linked with.
        edge_tpu: whether it was built for the Edge TPU.
    """
    uses = tuple(_use(region, image) for region in regions.values())
    problems = [
        f"section {section.name} at {section.address:#x} lies in no region of the linker script"
        for section in image.sections
        if not any(region.holds(section.address) for region in regions.values())
    ]
    for use in uses:
        least = LEAST_LEFT.get(use.region.name, 0)
        if use.left < least:
            problems.append(f"{use.region.name}: {use.left} bytes left; expected at least {least}")
    wanted = SYMBOLS | ({EDGE_TPU_SYMBOL: "the Edge TPU"} if edge_tpu else {})
    problems += [
        f"{words} is not in the image (no symbol {name})"
        for name, words in wanted.items()
        if name not in image.symbols
    ]
    problems += [
        f"{name}: not in the linker script; is it that of the M7?"
        for name in LEAST_LEFT
        if name not in regions
    ]
    return ImageReport(uses, tuple(problems))


def _use(region: Region, image: ElfImage) -> RegionUse:
    inside = tuple(section for section in image.sections if region.holds(section.address))
    loaded = tuple(
        section
        for section in image.sections
        if section.loaded_from is not None
        and section.loaded_from != section.address
        and region.holds(section.loaded_from)
    )
    ends = [section.address + section.size for section in inside]
    ends += [section.loaded_from + section.size for section in loaded if section.loaded_from is not None]
    return RegionUse(region, inside, loaded, max(ends, default=region.origin) - region.origin)
