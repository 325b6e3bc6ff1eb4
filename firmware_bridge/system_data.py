"""A running system as C: everything that the portable core reads, in one file that is compiled into the firmware."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import POWERS, Steps
from edge_ser.bundle import Bundle
from edge_ser.frontend.native import TABLE_ARRAYS, TABLE_NUMBERS
from edge_ser.frontend.tables import FrontendTables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.stream_system import StreamSystem, stream_system

GOLDEN: Final = ("samples", "features", "acoustic_embedding", "keyword_windows", "scores")
"""Members ``golden/*.npy`` of a bundle."""

_WIDTH: Final = 120
_C_TYPES: Final = {"int16": "int16_t", "int32": "int32_t", "uint8": "uint8_t", "uint16": "uint16_t"}


def limits(tables: FrontendTables) -> dict[str, int]:
    """Macros that give the front end's state room for just these tables; every C file is compiled with them."""
    return {
        "ESER_MAX_FFT_SIZE": tables.fft_size,
        "ESER_MAX_WINDOW_SAMPLES": tables.window_samples,
        "ESER_MAX_CHANNELS": tables.channels,
    }


def bundle_files(bundle: Bundle) -> dict[str, str]:
    """``system_data`` and ``golden_data``, ``.h`` and ``.c``, of a bundle, by file name; equal for equal bundles.

    Raises:
        InputError: the bundle holds no golden vectors, or more than the C core can hold.
    """
    system = stream_system(bundle)
    golden = {name: bundle.array(f"golden/{name}.npy") for name in GOLDEN}
    return system_files(system) | golden_files(system, golden)


def system_files(system: StreamSystem) -> dict[str, str]:
    """``system_data.h`` and ``system_data.c`` by name."""
    return {"system_data.h": _system_header(system), "system_data.c": _system_source(system)}


def golden_files(system: StreamSystem, golden: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """``golden_data.h`` and ``golden_data.c`` by name: one segment's values after every stage.

    Args:
        system: whose they are.
        golden: arrays by the names of :data:`GOLDEN`, any shape: they are written flat.
    """
    flat = {name: np.ascontiguousarray(golden[name]).ravel() for name in GOLDEN}
    declarations = [
        f"extern const {_C_TYPES[array.dtype.name]} eser_golden_{name}[{array.size}];"
        for name, array in flat.items()
    ]
    header = [
        *_banner(system, "one segment, and what every stage makes of it"),
        *_guarded("EDGE_SER_GOLDEN_DATA_H_", ["#include <stdint.h>"], declarations),
    ]
    source = [*_banner(system, "see golden_data.h"), '#include "golden_data.h"', "", "/* clang-format off */"]
    for name, array in flat.items():
        source += _array(f"eser_golden_{name}", array, "const")
    source += ["/* clang-format on */"]
    return {"golden_data.h": _text(header), "golden_data.c": _text(source)}


def _system_header(system: StreamSystem) -> str:
    schedule, tables = system.schedule, system.tables
    numbers = {
        "SAMPLE_RATE_HZ": tables.sample_rate_hz,
        "STEP_SAMPLES": tables.step_samples,
        "WINDOW_SAMPLES": tables.window_samples,
        "CHANNELS": tables.channels,
        "CLASSES": len(system.classes),
        "WORDS": len(system.words),
        "SEGMENT_FRAMES": schedule.segment_frames,
        "HOP_FRAMES": schedule.hop_frames,
        "KEYWORD_FRAMES": schedule.keyword_frames,
        "KEYWORD_WINDOWS": len(schedule.keyword_starts),
        "KEYWORD_SLOTS": schedule.slots,
        "ACOUSTIC_EMBEDDING": system.acoustic_embedding,
        "KEYWORD_EMBEDDING": system.keyword_embedding,
        "SMOOTHING": system.smoothing.decisions,
    }
    body = ["enum {"]
    body += [f"  ESER_SYSTEM_{name} = {value}," for name, value in list(numbers.items())[:-1]]
    name, value = list(numbers.items())[-1]
    body += [f"  ESER_SYSTEM_{name} = {value}", "};", ""]
    body += ["/* Room that every file has to be compiled with, at least. */"]
    for name, least in limits(tables).items():
        body += [f"#if {name} < {least}", f'#error "define {name} as {least}"', "#endif"]
    body += [
        "",
        "extern const EserSystem eser_system;",
        "/* Emotions in the order of the scores, keywords in the order of the words' scores. */",
        "extern const char *const eser_labels[ESER_SYSTEM_CLASSES];",
        "extern const char *const eser_keywords[ESER_SYSTEM_WORDS];",
        "/* The bundle's name and build id, hexadecimal digits. */",
        "extern const char eser_system_name[];",
        "extern const char eser_build_id[];",
    ]
    return _text(
        [
            *_banner(system, "sizes, and the constants of system_data.c"),
            *_guarded("EDGE_SER_SYSTEM_DATA_H_", ['#include "listener.h"'], body),
        ]
    )


def _system_source(system: StreamSystem) -> str:
    tables, schedule = system.tables, system.schedule
    arrays = {f"table_{name}": getattr(tables, name).ravel() for name in TABLE_ARRAYS}
    arrays |= {
        "keyword_starts": np.array(schedule.keyword_starts, np.uint16),
        "fusion_weights": system.fusion.weights.ravel(),
        "fusion_bias": system.fusion.bias,
        "words_weights": system.head.weights.ravel(),
        "words_bias": system.head.bias,
        "powers": (POWERS - 1).astype(np.uint16),
    }
    lines = [*_banner(system, "see system_data.h"), '#include "system_data.h"', "", "/* clang-format off */"]
    for name, array in arrays.items():
        lines += _array(name, array, "static const")
    lines += _texts("eser_labels", system.classes) + _texts("eser_keywords", system.words)
    lines += ["/* clang-format on */", ""]
    lines += [f"const char eser_system_name[] = {json.dumps(system.name)};"]
    lines += [f'const char eser_build_id[] = "{system.build_id}";', ""]
    fields = [f"{name} = table_{name}" for name in TABLE_ARRAYS]
    fields += [f"{name} = {int(getattr(tables, name))}" for name in TABLE_NUMBERS]
    lines += ["static const EserFrontendTables tables = {", *_fields(fields), "};", ""]
    lines += ["const EserSystem eser_system = {", *_fields(_members(system)), "};"]
    return _text(lines)


def _members(system: StreamSystem) -> list[str]:
    schedule, gate, smoothing = system.schedule, system.gate, system.smoothing
    id_bytes = ", ".join(f"0x{byte:02x}" for byte in system.id_bytes)
    return [
        "tables = &tables",
        f"schedule.segment_frames = {schedule.segment_frames}",
        f"schedule.hop_frames = {schedule.hop_frames}",
        f"schedule.keyword_frames = {schedule.keyword_frames}",
        f"schedule.keyword_embedding = {system.keyword_embedding}",
        f"schedule.keyword_windows = {len(schedule.keyword_starts)}",
        "schedule.keyword_starts = keyword_starts",
        f"schedule.slots = {schedule.slots}",
        f"gate.step_samples = {system.tables.step_samples}",
        f"gate.power = {gate.power}u",
        f"gate.hangover_frames = {gate.hangover_frames}",
        f"gate.enabled = {int(gate.enabled)}",
        f"smoothing.classes = {len(system.classes)}",
        f"smoothing.decisions = {smoothing.decisions}",
        f"smoothing.hysteresis = {smoothing.hysteresis}",
        f"smoothing.least = {smoothing.least}",
        *_head("fusion", system.fusion),
        *_steps("fusion_steps", system.fusion_steps),
        *_head("words", system.head),
        *_steps("words_steps", system.head_steps),
        "powers = powers",
        f"abstain = {system.abstain}",
        f"keyword_share = {system.keyword_share}",
        f"centre_channels = {int(system.centre_channels)}",
        f"build_id = {{{id_bytes}}}",
    ]


def _head(name: str, head: IntegerHead) -> list[str]:
    classes, inputs = head.weights.shape
    arrays = [f"{name}.weights = {name}_weights", f"{name}.bias = {name}_bias"]
    return [*arrays, f"{name}.classes = {classes}", f"{name}.inputs = {inputs}"]


def _steps(name: str, steps: Steps) -> list[str]:
    return [f"{name}.multiplier = {steps.multiplier}u", f"{name}.shift = {steps.shift}"]


def _fields(assignments: Sequence[str]) -> list[str]:
    return [f"    .{assignment}," for assignment in assignments]


def _texts(name: str, texts: Sequence[str]) -> list[str]:
    return [f"const char *const {name}[] = {{", *(f"    {json.dumps(text)}," for text in texts), "};"]


def _array(name: str, values: NDArray[Any], kind: str) -> Iterator[str]:
    yield f"{kind} {_C_TYPES[values.dtype.name]} {name}[{values.size}] = {{"
    line = "   "
    for value in values.tolist():
        # INT32_MIN has no literal in C.
        piece = " (-2147483647 - 1)," if value == -(2**31) else f" {value},"
        if len(line) + len(piece) > _WIDTH:
            yield line
            line = "   "
        line += piece
    yield line
    yield "};"


def _banner(system: StreamSystem, words: str) -> list[str]:
    return [
        f"/* Made by edge-ser from the bundle {system.name}: {words}.",
        f" * Build {system.build_id}. Do not edit. */",
    ]


def _guarded(guard: str, includes: Sequence[str], body: Sequence[str]) -> list[str]:
    opening = [f"#ifndef {guard}", f"#define {guard}", "", *includes, ""]
    opening += ["#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
    closing = ["", "#ifdef __cplusplus", "}", "#endif", "", f"#endif /* {guard} */"]
    return [*opening, *body, *closing]


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
