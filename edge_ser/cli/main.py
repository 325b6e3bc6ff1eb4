"""The `edge-ser` command: puts the commands together and turns errors into one line and an exit code."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

from edge_ser import __version__
from edge_ser.cli.bench import bench
from edge_ser.cli.budget import budget
from edge_ser.cli.calibrate import calibrate
from edge_ser.cli.check import check
from edge_ser.cli.classify import classify
from edge_ser.cli.compile import compile_bundle
from edge_ser.cli.corpus import corpus_app
from edge_ser.cli.doctor import doctor
from edge_ser.cli.estimate import estimate
from edge_ser.cli.evaluate import evaluate
from edge_ser.cli.explain import explain
from edge_ser.cli.extras import missing_extra
from edge_ser.cli.features import features
from edge_ser.cli.firmware import firmware
from edge_ser.cli.init import init
from edge_ser.cli.inspect import inspect
from edge_ser.cli.listen import listen
from edge_ser.cli.output import say
from edge_ser.cli.parity import parity
from edge_ser.cli.quantize import quantize
from edge_ser.cli.report import report
from edge_ser.cli.show import show
from edge_ser.cli.train import train
from edge_ser.errors import EdgeSerError

app = typer.Typer(
    name="edge-ser",
    help="Speech emotion recognition from a corpus to a Coral Dev Board Micro, and to any CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130
"""What typer exits with after Ctrl-C."""


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"edge-ser {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Speech emotion recognition from a corpus to a Coral Dev Board Micro, and to any CPU."""


app.add_typer(corpus_app, name="corpus")
for command in (
    init,
    features,
    parity,
    train,
    quantize,
    check,
    inspect,
    estimate,
    calibrate,
    bench,
    budget,
    evaluate,
    show,
    classify,
    explain,
    listen,
    report,
    firmware,
    doctor,
):
    app.command()(command)
app.command("compile")(compile_bundle)


def _terminated(_number: int, _frame: object) -> NoReturn:
    """Ended from outside as by Ctrl-C, so that workers and the trainings that they started end too."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except EdgeSerError as error:
        say(f"edge-ser: {error}")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        say(f"edge-ser: {missing}")
        sys.exit(missing.exit_code)
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            say("edge-ser: stopped; nothing half-written was left behind")
        raise
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
