"""`edge-ser inspect`: what compiled files hold, and whether the Micro can run them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edge_ser.edgetpu.darwinn import Executable, Layer
    from edge_ser.edgetpu.micro import MicroVerdict
    from edge_ser.edgetpu.model import Operator
    from edge_ser.edgetpu.package import CompiledModel


def inspect(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL_edgetpu.tflite…", help="Compiled files; several that are used together."
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Read what the Edge TPU compiler wrote: bytes, inputs, outputs, what stays on the host.

    Ends with 1 where the Coral Dev Board Micro cannot run the file (or all of the files in turns), with every
    reason, and with 2 where a file is not compiled or damaged.

    Example: edge-ser inspect keyword_edgetpu.tflite acoustic_edgetpu.tflite
    """
    from edge_ser.edgetpu.inspecting import inspect as inspected
    from edge_ser.errors import CheckError

    found = inspected(*paths)
    models, verdict = found.models, found.micro
    data = inspection(models, verdict)
    emit(data, as_json, lambda: _render(data))
    if not verdict.runs:
        more = len(verdict.reasons) - 1
        others = f" (and {more} more)" if more else ""
        names = ", ".join(model.name for model in models)
        message = f"{names}: the Coral Dev Board Micro cannot run this: {verdict.reasons[0]}{others}"
        raise CheckError(message)


def inspection(models: Sequence[CompiledModel], verdict: MicroVerdict) -> dict[str, Any]:
    """The JSON object about compiled files: sums at the top, each file under ``files``."""
    files = [_file(model) for model in models]
    return {
        "min_runtime": max(model.min_runtime for model in models),
        "cached_bytes": sum(model.cached_bytes for model in models),
        "streamed_bytes": sum(model.streamed_bytes for model in models),
        "instruction_bytes": sum(model.instruction_bytes for model in models),
        "total_bytes": sum(model.model.size_bytes for model in models),
        "inputs": [item for file in files for item in file["inputs"]],
        "outputs": [item for file in files for item in file["outputs"]],
        "host_ops": [op.custom_code or op.name for model in models for op in model.host_ops],
        "micro": {"runs": verdict.runs, "reasons": list(verdict.reasons), "notes": list(verdict.notes)},
        "files": files,
    }


def _file(model: CompiledModel) -> dict[str, Any]:
    return {
        "file": model.name,
        "bytes": model.model.size_bytes,
        "written_by": model.model.description,
        "edgetpu_ops": len(model.edgetpu_ops),
        "min_runtime": model.min_runtime,
        "compiler": [op.package.compiler for op in model.edgetpu_ops],
        "cached_bytes": model.cached_bytes,
        "streamed_bytes": model.streamed_bytes,
        "instruction_bytes": model.instruction_bytes,
        "first_inference_bytes": model.first_inference_bytes,
        "scratch_bytes": model.scratch_bytes,
        "deterministic": model.deterministic,
        # As text: a JSON reader that keeps numbers as doubles would round them.
        "caching_tokens": [f"{token:#018x}" for token in model.tokens],
        "inputs": [_layer(model, layer) for layer in model.inputs],
        "outputs": [_layer(model, layer) for layer in model.outputs],
        "executables": [_executable(item) for op in model.edgetpu_ops for item in op.package.executables],
        "host": [_host(op) for op in model.host_ops],
        "graph_inputs": [str(tensor) for tensor in model.model.inputs],
        "graph_outputs": [str(tensor) for tensor in model.model.outputs],
    }


def _layer(model: CompiledModel, layer: Layer) -> dict[str, Any]:
    return {
        "file": model.name,
        "name": layer.name,
        "shape": list(layer.shape),
        "dtype": layer.dtype,
        "scale": layer.scale,
        "zero_point": layer.zero_point,
        "bytes": layer.transfer_bytes * layer.executions,
    }


def _executable(item: Executable) -> dict[str, Any]:
    return {
        "type": item.kind,
        "chip": item.chip,
        "batch": item.batch,
        "instruction_bytes": list(item.instruction_bytes),
        "parameter_bytes": item.parameter_bytes,
        "scratch_bytes": item.scratch_bytes,
        "narrow_bytes_per_tile": item.narrow_bytes,
        "estimated_cycles": item.estimated_cycles,
        "deterministic": item.deterministic,
        "caching_token": f"{item.token:#018x}",
        "transfers": {
            "input": item.transferred("input"),
            "output": item.transferred("output"),
            "parameters": item.transferred("parameters"),
            "scratch": item.transferred("scratch"),
        },
    }


def _host(op: Operator) -> dict[str, Any]:
    from edge_ser.edgetpu.tflm_ops import board_refusal

    return {
        "index": op.index,
        "op": op.custom_code or op.name,
        "version": op.version,
        "inputs": [tensor.name for tensor in op.inputs if tensor is not None],
        "outputs": [tensor.name for tensor in op.outputs],
        "board": board_refusal(op),
    }


def _render(data: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for file in data["files"]:
        parts.append(
            table(f"{file['file']}: {file['bytes']} bytes", ("what", "value", "meaning"), _rows(file))
        )
        layers = [("input", item) for item in file["inputs"]] + [("output", item) for item in file["outputs"]]
        rows = [
            (
                way,
                item["name"],
                item["dtype"],
                " x ".join(map(str, item["shape"])),
                f"{item['scale']:.6g}",
                item["zero_point"],
                item["bytes"],
            )
            for way, item in layers
        ]
        columns = ("", "tensor", "type", "height x width x channels", "scale", "zero point", "bytes moved")
        parts.append(table("in and out of the Edge TPU", columns, rows))
        if file["host"]:
            host = [
                (op["index"], op["op"], op["version"], ", ".join(op["outputs"]), op["board"] or "yes")
                for op in file["host"]
            ]
            parts.append(
                table("left to the host", ("#", "operation", "version", "tensor", "on the board"), host)
            )
    micro = data["micro"]
    word = "runs" if micro["runs"] else "does NOT run"
    parts.append(Text(f"The Coral Dev Board Micro {word} {'this' if len(data['files']) == 1 else 'these'}."))
    parts.extend(Text(f"  because: {reason}") for reason in micro["reasons"])
    parts.extend(Text(f"  note: {note}") for note in micro["notes"])
    return Group(*parts)


def _rows(file: dict[str, Any]) -> list[tuple[object, ...]]:
    compilers = ", ".join(item for item in file["compiler"] if item.strip("cl/"))
    kinds = ", ".join(item["type"] for item in file["executables"])
    tokens = ", ".join(file["caching_tokens"]) or "none"
    scratch = "memory of the host that the chip uses"
    return [
        ("Edge TPU operations", file["edgetpu_ops"], f"executables: {kinds}"),
        ("operations on the host", len(file["host"]), ""),
        ("oldest runtime", file["min_runtime"], f"written by {compilers}" if compilers else ""),
        ("cached parameters", file["cached_bytes"], f"bytes, sent once; caching token {tokens}"),
        ("streamed parameters", file["streamed_bytes"], "bytes, sent at every inference"),
        ("instructions", file["instruction_bytes"], "bytes, sent at every inference"),
        ("first inference", file["first_inference_bytes"], "bytes more than later ones"),
        ("scratch", file["scratch_bytes"], f"bytes, {scratch}"),
        ("deterministic", "yes" if file["deterministic"] else "no", "whether every transfer is announced"),
    ]
