"""What each way of mixing tokens costs in a system's acoustic net: operations, bytes, predicted latency.

python tools/mixing_costs.py models/base.toml

The nets have random weights, which cost what trained ones do. Mapping and latency are predictions (`edge-ser check`,
`edge-ser estimate --target coral-micro`); what each way is worth is in docs/results.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import keras
import numpy as np
from rich.console import Console
from rich.progress import track

from edge_ser.edgetpu.estimating import estimate
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import check_model
from edge_ser.errors import EdgeSerError
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import with_classifier
from edge_ser.quantization.convert import convert_net
from edge_ser.spec import Mixing, SystemSpec
from edge_ser.spec_file import load_spec

_CALIBRATION = 8
"""Random segments: ranges do not change what an operation costs."""


@dataclass(frozen=True)
class Cost:
    """One way of mixing.

    Attributes:
        mixing: its name in the spec.
        operations: of the int8 file.
        host: those that are predicted to stay on the host.
        parameters: of the net, without classifier.
        file_bytes: of the int8 file.
        ms: predicted latency on the Micro at its default clock: low, middle, high.
    """

    mixing: Mixing
    operations: int
    host: int
    parameters: int
    file_bytes: int
    ms: tuple[float, float, float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path)
    try:
        spec = load_spec(parser.parse_args().spec)
        ways: tuple[Mixing, ...] = get_args(Mixing)
        costs = [
            cost(spec, mixing) for mixing in track(ways, description="mixings", console=Console(stderr=True))
        ]
    except EdgeSerError as error:
        print(f"mixing_costs: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(
        "| mixing | operations | on the host, predicted | parameters | int8 bytes | ms at 250 MHz, predicted |"
    )
    print("| --- | --: | --: | --: | --: | --: |")
    for one in sorted(costs, key=lambda one: one.operations):
        low, middle, high = one.ms
        ms = f"{low:.1f} – {middle:.1f} – {high:.1f}"
        print(
            f"| {one.mixing} | {one.operations} | {one.host} | {one.parameters:,} | {one.file_bytes:,} | {ms} |"
        )


def cost(spec: SystemSpec, mixing: Mixing) -> Cost:
    """Build, convert and look at the acoustic net of ``spec`` with another mixing.

    Raises:
        CheckError: the conversion failed.
    """
    other = replace(spec, acoustic=replace(spec.acoustic, mixing=mixing))
    keras.utils.set_random_seed(1)
    shape = (_CALIBRATION, other.segment_frames, other.frontend.channels)
    segments = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    with TemporaryDirectory(prefix="edge-ser-mixing-") as folder:
        weights, file = Path(folder) / "net.weights.h5", Path(folder) / "acoustic.tflite"
        net = build_acoustic(other)
        with_classifier(net, len(other.acoustic.classes), 0.0).save_weights(weights)
        int8 = convert_net(other, "acoustic", weights, segments).int8
        file.write_bytes(int8)
        found = check_model(read_model(int8, mixing))
        ms = estimate(file).ms
    trainable = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    return Cost(mixing, len(found.ops), len(found.host_ops), trainable, len(int8), (ms.low, ms.mid, ms.high))


if __name__ == "__main__":
    main()
