"""`edge-ser compile`: both nets through the vendor's compiler, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.inspect import inspection
from edge_ser.cli.output import JsonFlag, emit, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edge_ser.bundle import Bundle
    from edge_ser.edgetpu.compiler import CompileResult
    from edge_ser.edgetpu.lower_versions import Inputs, LoweredModel, Runner
    from edge_ser.edgetpu.micro import MicroVerdict
    from edge_ser.edgetpu.package import CompiledModel

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
    keep_versions: Annotated[
        bool, typer.Option("--keep-versions", help="Do not lower operation versions that nothing needs.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compile both nets for the Edge TPU in one call, so that they share the chip's memory.

    Before, versions of operations are lowered where their meaning stays the same, and the nets are run before and
    after to see that; the int8 nets in the bundle stay as they are. The compiled files are added to the bundle.
    Ends with 1 where an operation stays on the host, parameters are streamed, the Coral Dev Board Micro could not
    run the files or the budget is broken, and with 3 where there is no compiler; then sizes are predicted, and
    with --output the bundle is written with that prediction.

    Example: edge-ser compile build/tiny/tiny.edgeser
    """
    from edge_ser.bundle import read_bundle, write_bundle
    from edge_ser.edgetpu.budget import NETS
    from edge_ser.edgetpu.compiler import INSTALL_HINT, NOT_FOUND, compile_models, find_compiler
    from edge_ser.edgetpu.micro import micro_verdict
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
    models = {name: system.member(f"{name}.tflite") for name in NETS}
    lowered = {} if keep_versions else _lowered(system, models, found)
    models |= {name: model.data for name, model in lowered.items()}
    result = compile_models(found, models, timeout)
    compiled = _opened(result)
    verdict = micro_verdict(list(compiled.values()))
    data = _measured(result, compiled, lowered, verdict)
    files = {f"{name}_edgetpu.tflite": model.data for name, model in result.models.items()}
    write_bundle(output or bundle, system.with_members({**files, _REPORT: json_bytes(data)}))
    emit(data, as_json, lambda: _render(bundle, data))
    problems = [
        *_problems(result, compiled),
        *verdict.reasons,
        *_over_budget(data["total_bytes"], system.spec.budget.compiled_bytes),
    ]
    if problems:
        message = f"{bundle}: compiled, and {'; '.join(problems)}; see: edge-ser check {bundle}"
        raise CheckError(message)


def _lowered(system: Bundle, models: dict[str, bytes], compiler: Path) -> dict[str, LoweredModel]:
    """The nets with versions lowered, each proven; says on standard error what was done."""
    from edge_ser.edgetpu.compiler import compiler_version
    from edge_ser.edgetpu.compilers import LATEST, compiler_named
    from edge_ser.edgetpu.lower_versions import lower_versions, prove_same
    from edge_ser.errors import InputError

    frames = {"keyword": system.spec.keyword_frames, "acoustic": system.spec.segment_frames}
    channels = system.spec.frontend.channels
    try:
        reader = compiler_named(compiler_version(compiler))
    except InputError:
        # It only decides what is said beforehand; the compiler itself is asked next.
        reader = LATEST
    found = {}
    for name, before in models.items():
        member = f"{name}.tflite"
        lowered = lower_versions(before, member, reader)
        for kept in lowered.kept:
            say(f"{member}: the compiler will refuse this file over {kept}")
        if lowered.lowered:
            inputs = prove_same(before, lowered.data, member, _runner(member, frames[name], channels))
            changes = ", ".join(f"{item.op} {item.before} → {item.after}" for item in lowered.lowered)
            say(f"{member}: lowered versions: {changes}; same output on {inputs} inputs")
            found[name] = lowered
    return found


def _runner(member: str, frames: int, channels: int) -> Runner:
    """Runs a net of the bundle by LiteRT's built-in kernels."""
    from edge_ser.runtime.interpreters import LiteRtNet

    def run(model: bytes, examples: Sequence[Inputs]) -> Sequence[Inputs]:
        net = LiteRtNet(model, member, frames, channels)
        return [(net.embed(example[0][..., 0].astype("uint8")),) for example in examples]

    return run


def _opened(result: CompileResult) -> dict[str, CompiledModel]:
    """What the compiler wrote, read.

    Raises:
        CheckError: it is no compiled file.
    """
    from edge_ser.edgetpu.package import read_compiled
    from edge_ser.errors import CheckError, InputError

    try:
        return {
            name: read_compiled(model.data, f"{name}_edgetpu.tflite") for name, model in result.models.items()
        }
    except InputError as error:
        message = f"the compiler says that it succeeded, and what it wrote cannot be used: {error}"
        raise CheckError(message) from None


def _measured(
    result: CompileResult,
    compiled: dict[str, CompiledModel],
    lowered: dict[str, LoweredModel],
    verdict: MicroVerdict,
) -> dict[str, Any]:
    logs = {name: model.log for name, model in result.models.items()}
    inspected = inspection(list(compiled.values()), verdict)
    return {
        "compiled": True,
        "predicted": False,
        "versions": {"edgetpu_compiler": result.version},
        "mapped": {name: {"operations": log.operations, "mapped": log.mapped} for name, log in logs.items()},
        "on_chip_bytes": inspected["cached_bytes"],
        "streamed_bytes": inspected["streamed_bytes"],
        "total_bytes": inspected["total_bytes"],
        "bytes": {name: len(model.data) for name, model in result.models.items()},
        "tries": result.tries,
        "searched": result.searched,
        "lowered_versions": {
            name: [
                {"op": item.op, "operations": list(item.indices), "from": item.before, "to": item.after}
                for item in model.lowered
            ]
            for name, model in lowered.items()
        },
        "micro": inspected["micro"],
        "inspected": inspected["files"],
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


def _problems(result: CompileResult, compiled: dict[str, CompiledModel]) -> list[str]:
    """What log and compiled file say against the models, apart from the Micro's own reasons."""
    problems = []
    for name, model in compiled.items():
        log = result.models[name].log
        host = max(log.operations - log.mapped, len(model.host_ops))
        if host:
            names = ", ".join(dict.fromkeys(op.custom_code or op.name for op in model.host_ops))
            problems.append(
                f"{name}: {host} of {log.operations} operations stay on the host{f' ({names})' if names else ''}"
            )
        if log.subgraphs > 1:
            problems.append(f"{name}: {log.subgraphs} Edge TPU parts, the Micro runs one")
        streamed = max(log.streamed_bytes or 0, model.streamed_bytes)
        if streamed:
            problems.append(f"{name}: {streamed} bytes of parameters are sent at every inference")
    tokens = {token for model in compiled.values() for token in model.tokens}
    if len(tokens) > 1:
        problems.append(
            f"{len(tokens)} caching tokens, so that each net throws out the other's parameters; expected one"
        )
    return problems


def _over_budget(total_bytes: int, limit: int) -> list[str]:
    return [f"{total_bytes} bytes, the budget has {limit}"] if total_bytes > limit else []


def _render(path: Path, data: dict[str, Any]) -> RenderableType:
    word = "predicted" if data["predicted"] else "compiled"
    rows = [
        (name, data["mapped"][name]["mapped"], data["mapped"][name]["operations"], data["bytes"][name])
        for name in data["mapped"]
    ]
    rows.append(("both", "", "", data["total_bytes"]))
    title = f"{path}: {word}; {data['on_chip_bytes']} bytes on the chip, {data['streamed_bytes']} streamed"
    return table(title, ("net", "mapped", "operations", "bytes"), rows)
