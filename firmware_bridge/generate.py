"""From a bundle to the folder of a coralmicro application: sources, generated C, models and golden vectors.

The folder holds all that is ours. The SDK stays where the user has it and is named when the application is built.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from edge_ser.bundle import Bundle
from edge_ser.edgetpu.budget import NETS
from edge_ser.edgetpu.compiler import INSTALL_HINT
from edge_ser.edgetpu.micro import micro_verdict
from edge_ser.edgetpu.model import Model, read_model
from edge_ser.edgetpu.package import read_compiled
from edge_ser.edgetpu.tflm_ops import board_refusals
from edge_ser.errors import CheckError, InputError
from edge_ser.runtime.golden import TOLERANCE
from edge_ser.runtime.stream_system import StreamSystem, stream_system
from edge_ser.spec import SystemSpec
from firmware_bridge.op_resolver import COMPILED_CALL, resolver_calls
from firmware_bridge.programs import BOARDS, CORE
from firmware_bridge.system_data import limits, system_files

TARGET: Final = "edge_ser"
"""Name of the application's image; coralmicro's flashtool cuts a name at its last dot, so it has none."""
GOLDEN_FILE: Final = "golden.bin"
APP: Final = BOARDS / "coral_micro"
APP_COMMON: Final = (BOARDS / "common" / "segment.c", BOARDS / "common" / "segment.h")
CONSOLE_INIT: Final = "_ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE"
"""``coralmicro::CdcAcm::Init`` as Arm's g++ names it; see boards/coral_micro/console.cc."""
MICROPHONE_HZ: Final = 16_000
"""coralmicro's AudioDriver gives 16,000 or 48,000 Hz (libs/audio/audio_driver.h); specs have 8,000 or 16,000."""
CLOCK_MODES: Final = ("low", "medium", "high", "max")
"""coralmicro's PerformanceMode in its order: 63, 125, 250 and 500 MHz (libs/tpu/edgetpu_driver.h)."""

_CONSTANTS: Final = {"keyword": "kKeywordModel", "acoustic": "kAcousticModel"}


@dataclass(frozen=True)
class AppModel:
    """A model of one build.

    Attributes:
        net: ``keyword`` or ``acoustic``.
        member: its file in the bundle and in the application's ``models`` folder.
        data: the file.
        model: the same, read.
    """

    net: str
    member: str
    data: bytes
    model: Model

    @property
    def constant(self) -> str:
        """Its name in ``app_data.h``."""
        return _CONSTANTS[self.net]

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return len(self.data)

    @property
    def crc32(self) -> str:
        """CRC-32 of the file, as a C literal."""
        return _literal(zlib.crc32(self.data))

    @property
    def input_bytes(self) -> int:
        """Size of the input tensor."""
        return self.model.inputs[0].bytes

    @property
    def output_bytes(self) -> int:
        """Size of the output tensor."""
        return self.model.outputs[0].bytes


@dataclass(frozen=True)
class Build:
    """One way to build the application.

    Attributes:
        cpu: on the Cortex-M7 (CPU_FALLBACK), else on the Edge TPU.
        models: the files that it loads; empty where the bundle has none for it.
        calls: what registers their operations with TensorFlow Lite Micro.
        problem: why it cannot be built, and what to do; empty where it can.
    """

    cpu: bool
    models: tuple[AppModel, ...]
    calls: tuple[str, ...]
    problem: str

    @property
    def where(self) -> str:
        """What the nets run on, in words."""
        return "Cortex-M7" if self.cpu else "Edge TPU"

    @property
    def members(self) -> tuple[str, ...]:
        """Names of its model files."""
        return tuple(model.member for model in self.models)


@dataclass(frozen=True)
class FirmwareApp:
    """An application for the Coral Dev Board Micro.

    Attributes:
        name: of the system.
        build_id: of the bundle.
        files: contents by path in the application's folder, with ``/``.
        builds: on the Cortex-M7 and on the Edge TPU.
    """

    name: str
    build_id: str
    files: Mapping[str, bytes]
    builds: tuple[Build, Build]


def firmware_app(bundle: Bundle, *, stand_in: bool = False) -> FirmwareApp:
    """Make the application of a bundle; equal bundles give equal bytes.

    Args:
        bundle: with golden vectors; without files compiled for the Edge TPU only the build for the Cortex-M7 is
            possible, and the other says why.
        stand_in: let the int8 files stand in for compiled ones that are missing, so that the build for the Edge TPU
            can be linked and measured. Such an image is of no use on a board.

    Raises:
        InputError: the bundle does not suit the board: its sample rate, its golden vectors, or a model file.
        CheckError: neither build is possible.
    """
    spec = bundle.spec
    if spec.frontend.sample_rate_hz != MICROPHONE_HZ:
        message = (
            f"bundle {spec.name}: sample_rate_hz is {spec.frontend.sample_rate_hz} and the board's microphone gives "
            f"{MICROPHONE_HZ}; train the system with that"
        )
        raise InputError(message)
    system = stream_system(bundle)
    cpu, tpu = _cpu_build(bundle, system), _tpu_build(bundle, system)
    if stand_in and not tpu.models:
        tpu = Build(False, cpu.models, (COMPILED_CALL,), "")
    if cpu.problem and tpu.problem:
        message = (
            f"bundle {spec.name}: no firmware is possible. Edge TPU: {tpu.problem} Cortex-M7: {cpu.problem}"
        )
        raise CheckError(message)
    golden = _golden(bundle, system)
    files = {f"models/{model.member}": model.data for build in (cpu, tpu) for model in build.models}
    files |= {f"models/{GOLDEN_FILE}": golden}
    files |= _copies("core", CORE.iterdir()) | _copies("app", (*APP.iterdir(), *APP_COMMON))
    files |= {f"generated/{name}": text.encode() for name, text in system_files(system).items()}
    files |= _rendered(spec, system, (cpu, tpu), golden, sorted(files))
    return FirmwareApp(spec.name, bundle.build_id, dict(sorted(files.items())), (cpu, tpu))


def _cpu_build(bundle: Bundle, system: StreamSystem) -> Build:
    models = tuple(_read(bundle, net, f"{net}.tflite") for net in NETS)
    problems = [
        f"{item.member}: {reason}" for item in models for reason in board_refusals(item.model).values()
    ]
    problems += _tensor_problems(models, system)
    return Build(True, models, _calls(models), _sentence(problems))


def _tpu_build(bundle: Bundle, system: StreamSystem) -> Build:
    members = {net: f"{net}_edgetpu.tflite" for net in NETS}
    if any(member not in bundle.members for member in members.values()):
        problem = (
            "The bundle holds no files compiled for the Edge TPU. Compile it where edgetpu_compiler runs "
            f"(edge-ser compile BUNDLE; {INSTALL_HINT}) and generate the firmware again, or build with "
            "-DCPU_FALLBACK=ON."
        )
        return Build(False, (), (), problem)
    models = tuple(_read(bundle, net, member) for net, member in members.items())
    verdict = micro_verdict([read_compiled(item.data, item.member) for item in models])
    problems = [*verdict.reasons, *_tensor_problems(models, system)]
    return Build(False, models, _calls(models), _sentence(problems))


def _calls(models: Iterable[AppModel]) -> tuple[str, ...]:
    return resolver_calls(item.model for item in models)


def _read(bundle: Bundle, net: str, member: str) -> AppModel:
    data = bundle.member(member)
    return AppModel(net, member, data, read_model(data, member))


def _tensor_problems(models: Iterable[AppModel], system: StreamSystem) -> list[str]:
    """What keeps the application from reading and writing the nets' tensors."""
    frames = {"keyword": system.schedule.keyword_frames, "acoustic": system.schedule.segment_frames}
    outputs = {"keyword": system.keyword_embedding, "acoustic": system.acoustic_embedding}
    problems = []
    for item in models:
        tensors = (*item.model.inputs, *item.model.outputs)
        found = [f"{tensor.dtype} of {tensor.bytes} bytes" for tensor in tensors]
        wanted = [
            f"uint8 of {size} bytes"
            for size in (frames[item.net] * system.tables.channels, outputs[item.net])
        ]
        if len(item.model.inputs) != 1 or found != wanted:
            problems.append(
                f"{item.member} has tensors {', '.join(found)}; expected {' in and '.join(wanted)} out"
            )
    return problems


def _sentence(problems: list[str]) -> str:
    return f"{'; '.join(problems)}." if problems else ""


def _golden(bundle: Bundle, system: StreamSystem) -> bytes:
    """The file that boards/coral_micro/golden_file.h describes.

    Raises:
        InputError: the bundle has no golden vectors, or they are not of this system's shapes.
    """
    schedule, channels = system.schedule, system.tables.channels
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {
        "scores": ("int32", (len(system.classes),)),
        "samples": ("int16", (bundle.spec.segment_samples,)),
        "features": ("uint8", (schedule.segment_frames, channels)),
        "acoustic_embedding": ("uint8", (system.acoustic_embedding,)),
        "keyword_windows": ("uint8", (len(schedule.keyword_starts), system.keyword_embedding)),
    }
    parts = []
    for name, (dtype, shape) in shapes.items():
        array = bundle.array(f"golden/{name}.npy")
        if array.dtype != np.dtype(dtype) or array.shape != shape:
            message = (
                f"bundle {bundle.spec.name}: golden/{name}.npy is {array.dtype} {array.shape}; expected {dtype} "
                f"{shape}: make the bundle again"
            )
            raise InputError(message)
        parts.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
    data = b"".join(parts)
    return data + bytes(-len(data) % 4)


def _copies(folder: str, paths: Iterable[Path]) -> dict[str, bytes]:
    """Our own sources, as they are."""
    return {
        f"{folder}/{path.name}": path.read_bytes() for path in paths if path.suffix in (".c", ".cc", ".h")
    }


def _rendered(
    spec: SystemSpec, system: StreamSystem, builds: tuple[Build, Build], golden: bytes, others: list[str]
) -> dict[str, bytes]:
    cpu, tpu = builds
    values = {
        "name": spec.name,
        "build_id": system.build_id,
        "banner": f"Made by edge-ser from the bundle {spec.name}. Do not edit.",
        "target": TARGET,
        "wrapped": CONSOLE_INIT,
        "builds": builds,
        "cpu": cpu,
        "tpu": tpu,
        "sources": [name for name in others if name.endswith((".c", ".cc"))],
        "limits": limits(system.tables),
        "id_rows": _rows(bytes.fromhex(system.build_id)),
        "arena_bytes": -(-spec.budget.arena_bytes // 16) * 16,
        "clock": spec.firmware.clock,
        "clock_mode": CLOCK_MODES.index(spec.firmware.clock),
        "golden": GOLDEN_FILE,
        "golden_crc32": _literal(zlib.crc32(golden)),
        "segment_samples": spec.segment_samples,
        "allowed": TOLERANCE,
    }
    return {
        path: _template(template, values)
        for path, template in (
            ("CMakeLists.txt", "CMakeLists.txt.j2"),
            ("README.md", "README.md.j2"),
            ("generated/app_data.h", "app_data.h.j2"),
            ("generated/op_resolver.h", "op_resolver.h.j2"),
        )
    }


def _template(name: str, values: Mapping[str, Any]) -> bytes:
    # Nothing here is HTML: what is rendered is C++, CMake and Markdown.
    environment = Environment(
        loader=PackageLoader("firmware_bridge"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["cmake"] = _cmake_quoted
    return environment.get_template(name).render(values).encode()


def _cmake_quoted(text: str) -> str:
    """Text for inside of a quoted argument of CMake."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")


def _rows(data: bytes) -> list[str]:
    """Sixteen bytes a line, as clang-format leaves them."""
    pieces = [f"0x{byte:02x}" for byte in data]
    return [", ".join(pieces[at : at + 16]) + "," for at in range(0, len(pieces), 16)]


def _literal(value: int) -> str:
    return f"0x{value:08x}u"
