"""Record a corpus again: played by a loudspeaker, heard by the board's or this machine's microphone.

python tools/rerecord.py CORPUS ROOT -o DIR                          # this machine's loudspeaker and microphone
python tools/rerecord.py CORPUS ROOT -o DIR --board 10.10.10.1       # the board's microphone (the SDK's rack_test)
python tools/rerecord.py CORPUS ROOT -o DIR --simulate near:20       # neither: room near, 20 dB over the noise

What comes out has the corpus' layout and names, so that `edge-ser train` and `evaluate` take it in its place. DIR holds
rerecording.json with the SNR, the clipping and the timing of each recording. Stopped, it goes on when it is run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_ser.channel.devices import BoardMicrophone, Device, SimulatedDevice, SoundCard
from edge_ser.channel.rerecord import REPORT, TAKE_S, Plan, rerecord, summary
from edge_ser.channel.simulation import DRIFT_PPM, read_channel
from edge_ser.errors import EdgeSerError

RATE_HZ = 16_000


def main() -> None:
    """Play, record, cut, report."""
    arguments = _parser().parse_args()
    plan = Plan(
        corpus=arguments.corpus,
        root=arguments.root,
        output=arguments.output,
        rate_hz=arguments.rate,
        gain_db=arguments.gain_db,
        take_s=arguments.take_s,
        keep=arguments.keep,
    )
    try:
        done = rerecord(plan, _device(arguments), _say)
    except EdgeSerError as error:
        _say(f"rerecord: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("rerecord: stopped; run it again to go on")
        sys.exit(130)
    told = summary(done)
    if arguments.json:
        print(json.dumps(told))
    else:
        print(_words(told, arguments.output))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="layout of the corpus; see: edge-ser corpus list")
    parser.add_argument("root", type=Path, help="its folder, which is only read")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder that takes the recordings")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--board", metavar="HOST", help="record by the microphone of the board at this address"
    )
    source.add_argument("--simulate", metavar="ROOM:SNR", help="a simulated channel, e.g. near:20 or far:10")
    parser.add_argument(
        "--player", type=_device_name, help="loudspeaker: name or number (python -m sounddevice)"
    )
    parser.add_argument("--recorder", type=_device_name, help="microphone: name or number")
    parser.add_argument("--rate", type=int, default=RATE_HZ, help="Hz of playing and of the recordings")
    parser.add_argument("--gain-db", type=float, default=0.0, help="louder than in the files")
    parser.add_argument(
        "--take-s", type=float, default=TAKE_S, help="seconds of sound between two sync sweeps"
    )
    parser.add_argument(
        "--drift-ppm", type=float, default=DRIFT_PPM, help="--simulate: how far the clocks are apart"
    )
    parser.add_argument("--seed", type=int, default=1, help="--simulate: of the room and the noise")
    parser.add_argument("--keep", type=Path, help="folder for whole takes, played and recorded")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    return parser


def _device(arguments: argparse.Namespace) -> Device:
    if arguments.simulate:
        channel = replace(read_channel(arguments.simulate, arguments.seed), drift_ppm=arguments.drift_ppm)
        return SimulatedDevice(channel)
    if arguments.board:
        return BoardMicrophone(arguments.board, arguments.player)
    return SoundCard(arguments.player, arguments.recorder)


def _device_name(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _words(told: dict[str, Any], output: Path) -> str:
    ratios = told["snr_db"]
    snr = "no SNR: silence" if ratios is None else f"SNR {ratios[1]:.1f} dB (lowest {ratios[0]:.1f})"
    return (
        f"{told['recordings']} recordings, {told['seconds'] / 60:.1f} minutes; {snr}; {told['clipped']} clipped; "
        f"at most {told['largest_lag_ms']:.1f} ms off; {told['problems']} with problems: see {output / REPORT}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
