"""`edge-ser compile`: both nets through the vendor's compiler, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.bundle import Bundle
    from edge_ser.edgetpu.compiler import CompileResult

_REPORT = "reports/compile.json"


def compile_bundle(
    bundle: Annotated[
        Path,
        typer.Argument(metavar="BUNDLE", help="A bundle (.edgeser); the compiled files are added to it."),
    ],
    compiler: Annotated[
        str | None, typer.Option(help="The edgetpu_compiler to run; else EDGETPU_COMPILER, else the path.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the result here and leave BUNDLE as it is.")
    ] = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds for one model.")] = 180,
    as_json: JsonFlag = False,
) -> None:
    """Compile both nets for the Edge TPU in one call, so that they share the chip's memory.

    The compiled files are added to the bundle. Ends with 1 where an operation stays on the host, parameters
    are streamed or the budget is broken, and with 3 where there is no compiler; then sizes are predicted, and
    with --output the bundle is written with that prediction.

    Example: edge-ser compile build/tiny/tiny.edgeser
    """
    from edge_ser.bundle import read_bundle, write_bundle
    from edge_ser.edgetpu.budget import NETS
    from edge_ser.edgetpu.compiler import INSTALL_HINT, NOT_FOUND, compile_models, find_compiler
    from edge_ser.errors import CheckError, MissingError
    from edge_ser.files import json_bytes

    system = read_bundle(bundle)
    found = find_compiler(compiler)
    if found is None:
        data = _predicted(system)
        if output is not None:
            write_bundle(output, system.with_members({_REPORT: json_bytes(data)}))
        emit(data, as_json, lambda: _render(bundle, data))
        message = f"{NOT_FOUND}; {INSTALL_HINT}; the bundle runs on the CPU as it is"
        raise MissingError(message)
    result = compile_models(found, {name: system.member(f"{name}.tflite") for name in NETS}, timeout)
    data = _measured(result)
    files = {f"{name}_edgetpu.tflite": model.data for name, model in result.models.items()}
    write_bundle(output or bundle, system.with_members({**files, _REPORT: json_bytes(data)}))
    emit(data, as_json, lambda: _render(bundle, data))
    problems = _problems(result, data["total_bytes"], system.spec.budget.compiled_bytes)
    if problems:
        message = f"{bundle}: compiled, and {'; '.join(problems)}; see: edge-ser check {bundle}"
        raise CheckError(message)


def _measured(result: CompileResult) -> dict[str, Any]:
    logs = {name: model.log for name, model in result.models.items()}
    return {
        "compiled": True,
        "predicted": False,
        "versions": {"edgetpu_compiler": result.version},
        "mapped": {name: {"operations": log.operations, "mapped": log.mapped} for name, log in logs.items()},
        "on_chip_bytes": sum(log.on_chip_bytes for log in logs.values()),
        "streamed_bytes": sum(log.streamed_bytes for log in logs.values()),
        "total_bytes": sum(len(model.data) for model in result.models.values()),
        "bytes": {name: len(model.data) for name, model in result.models.items()},
        "tries": result.tries,
        "searched": result.searched,
        "tables": {
            name: [{"op": row.op, "count": row.count, "status": row.status} for row in log.table]
            for name, log in logs.items()
        },
    }


def _predicted(system: Bundle) -> dict[str, Any]:
    from edge_ser.edgetpu.budget import nets
    from edge_ser.edgetpu.prediction import predict_compiled
    from edge_ser.edgetpu.rules import check_model

    models = nets(system)
    reports = {name: check_model(model) for name, model in models.items()}
    predictions = {name: predict_compiled(models[name], report) for name, report in reports.items()}
    return {
        "compiled": False,
        "predicted": True,
        "versions": {},
        "mapped": {
            name: {"operations": len(report.ops), "mapped": sum(verdict.mapped for verdict in report.ops)}
            for name, report in reports.items()
        },
        "on_chip_bytes": sum(item.cached_bytes for item in predictions.values()),
        "streamed_bytes": sum(item.streamed_bytes for item in predictions.values()),
        "total_bytes": sum(item.bytes for item in predictions.values()),
        "bytes": {name: item.bytes for name, item in predictions.items()},
    }


def _problems(result: CompileResult, total_bytes: int, limit: int) -> list[str]:
    problems = []
    for name, model in result.models.items():
        log = model.log
        if log.mapped != log.operations:
            problems.append(
                f"{name}: {log.operations - log.mapped} of {log.operations} operations stay on the host"
            )
        if log.subgraphs > 1:
            problems.append(f"{name}: {log.subgraphs} Edge TPU parts, the Micro runs one")
        if log.streamed_bytes:
            problems.append(f"{name}: {log.streamed_bytes} bytes of parameters are sent at every inference")
    if total_bytes > limit:
        problems.append(f"{total_bytes} bytes, the budget has {limit}")
    return problems


def _render(path: Path, data: dict[str, Any]) -> RenderableType:
    word = "predicted" if data["predicted"] else "compiled"
    rows = [
        (name, data["mapped"][name]["mapped"], data["mapped"][name]["operations"], data["bytes"][name])
        for name in data["mapped"]
    ]
    rows.append(("both", "", "", data["total_bytes"]))
    title = f"{path}: {word}; {data['on_chip_bytes']} bytes on the chip, {data['streamed_bytes']} streamed"
    return table(title, ("net", "mapped", "operations", "bytes"), rows)
