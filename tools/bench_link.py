"""How the link to a board bears faults: messages through the virtual board over lines that are as bad as wanted.

python tools/bench_link.py                               100,000 messages, 1 % of them with each kind of fault
python tools/bench_link.py --way serial --faults 0.05    through the pseudo-terminal, with more

The virtual board listens to a recording in a loop and sends records while it is asked all kinds of things. Every answer
is held against what it must be, every record against what the board made; at the end each record has come once, or was
said to be lost. Then the link is cut in two ways, several times each: a storm in which nine of ten messages are
damaged, and a board that is stuck for a second; the time from the end of that to the next right answer is the recovery.
Exit 1 where anything wrong was accepted, a record was lost in silence, or a recovery took longer than 2 s.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.cli.output import progress, say
from edge_ser.errors import EdgeSerError
from edge_ser.integer_head import Quantized
from edge_ser.runtime.interpreters import Net
from firmware_bridge.faults import LONGEST_DELAY_S, FaultRates
from firmware_bridge.link import Board, Event, Lost, Received, open_board
from firmware_bridge.link_channel import FramedChannel, NoAnswerError
from firmware_bridge.messages import ClockMode, Target
from firmware_bridge.virtual_board import VirtualBoard, build_virtual_board, bundle_nets

RECOVERY_LIMIT_S: Final = 2.0
STORM_RATE: Final = 0.9
OUTAGE_S: Final = 1.0
_STORM: Final = FaultRates(STORM_RATE, STORM_RATE, STORM_RATE, 0.0, STORM_RATE)
_LISTEN_S: Final = 0.002
_LIMIT_S: Final = 30.0


class RememberingNet:
    """A net that computes each input once: the recording comes round again and again."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._known: dict[bytes, NDArray[np.uint8]] = {}

    @property
    def output(self) -> Quantized:
        """As the net's."""
        return self._net.output

    @property
    def embedding_size(self) -> int:
        """As the net's."""
        return self._net.embedding_size

    def embed(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As the net's."""
        key = features.tobytes()
        if key not in self._known:
            self._known[key] = self._net.embed(features)
        return self._known[key]


@dataclass
class Tally:
    """What was counted.

    Attributes:
        answers: requests that were answered.
        records: records that came.
        late: of these, lost on the way and had once more.
        lost_reported: records that were said to be lost.
        lost_unreported: records that were made and of which nothing was heard.
        wrong_accepted: answers and records that were taken and are not what they must be.
        answer_s: how long each answer took, retries included.
        record_s: how long each record was under way, or until it was said to be lost.
    """

    answers: int = 0
    records: int = 0
    late: int = 0
    lost_reported: int = 0
    lost_unreported: int = 0
    wrong_accepted: int = 0
    answer_s: list[float] = field(default_factory=list)
    record_s: list[float] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """Answers, records and losses."""
        return self.answers + self.records + self.lost_reported


class Trial:
    """One virtual board under load."""

    def __init__(
        self, bundle: Bundle, virtual: VirtualBoard, board: Board, nets: Mapping[Target, Net], seed: int
    ):
        self.tally = Tally()
        self._virtual, self._board, self._bundle = virtual, board, bundle
        self._random = random.Random(seed)
        self._came: dict[int, bytes] = {}
        self._settled_s: list[float] = []
        self._next = 0
        self._mode = ClockMode.HIGH
        features = bundle.array("golden/features.npy")
        length = bundle.spec.keyword_frames
        self._inputs = [features[at : at + length] for at in bundle.spec.keyword_starts]
        self._outputs = [
            nets[Target.KEYWORD].embed(window[np.newaxis])[0].tobytes() for window in self._inputs
        ]
        self._running = -1

    def start(self) -> None:
        """Turn the stream on."""
        self._board.start()

    def turn(self) -> None:
        """One request and whatever records come."""
        begin = time.monotonic()
        right = self._ask()
        self.tally.answer_s.append(time.monotonic() - begin)
        self.tally.answers += 1
        self.tally.wrong_accepted += not right
        for event in self._board.listen(_LISTEN_S):
            self._account(event)

    def stop(self) -> None:
        """Turn the stream off and settle accounts."""
        for event in self._board.stop():
            self._account(event)
        self._settle()

    def _ask(self) -> bool:
        """One request, and whether its answer is right."""
        kind = self._random.randrange(5)
        if kind == 0:
            return self._board.info().build_id == self._bundle.build_id
        if kind == 1:
            self._mode = ClockMode(self._random.randrange(4))
            return self._board.clock(self._mode) == self._mode
        if kind == 2:
            return self._board.clock() == self._mode
        if kind == 3:
            self._running = self._random.randrange(len(self._inputs))
            self._board.write(Target.KEYWORD, self._inputs[self._running].tobytes())
            self._board.run(Target.KEYWORD, 1)
            return True  # the next read tells
        if self._running < 0:
            return True
        expected = self._outputs[self._running]
        return bool(self._board.read(Target.KEYWORD, len(expected)) == expected)

    def _account(self, event: Event) -> None:
        """Check the order at once, the contents in the end: what the board made may become known after its record."""
        now = time.monotonic()
        if isinstance(event, Received):
            sequence, count = event.record.sequence, 1
            self._came[sequence] = event.data
            self.tally.records += 1
            self.tally.late += event.late
        elif isinstance(event, Lost):
            sequence, count = event.first, event.count
            self.tally.lost_reported += count
        else:
            sequence, count = -1, 0  # nobody restarted the board
        self.tally.wrong_accepted += sequence != self._next
        self._next = sequence + count
        self._settled_s += [now] * count

    def _settle(self) -> None:
        made = self._virtual.made()
        self.tally.lost_unreported += abs(len(made) - self._next)
        for sequence, (one, settled_s) in enumerate(zip(made, self._settled_s, strict=False)):
            self.tally.wrong_accepted += self._came.get(sequence, one.data) != one.data
            self.tally.record_s.append(settled_s - one.at_s)


def _recovery(virtual: VirtualBoard, board: Board, way: str, rates: FaultRates, outage: str) -> float:
    """Seconds from the end of an outage to the next right answer."""
    wires = virtual.wires.get({"tcp": "tcp", "serial": "pty"}.get(way, ""))
    if outage == "stuck":
        virtual.stick()
    elif wires is not None:
        wires.to_board.rates = wires.to_host.rates = _STORM
    end = time.monotonic() + OUTAGE_S
    impatient = Board(board.channel, OUTAGE_S / 4)
    while time.monotonic() < end:
        with contextlib.suppress(NoAnswerError):
            impatient.info()
    if outage == "stuck":
        virtual.go_on()
    elif wires is not None:
        wires.to_board.rates = wires.to_host.rates = rates
    begin = time.monotonic()
    board.info()
    return time.monotonic() - begin


@dataclass(frozen=True)
class Options:
    """What to measure; the names are the command's options."""

    messages: int
    faults: float
    way: str
    seed: int
    outages: int
    speed: float
    longest_delay_s: float = LONGEST_DELAY_S


def measure(program: Path, bundle: Bundle, options: Options) -> dict[str, object]:
    """Run it all on a virtual board's program; the JSON object."""
    nets: dict[Target, Net] = {name: RememberingNet(net) for name, net in bundle_nets(bundle).items()}
    rates = FaultRates.all_of(options.faults)
    begin = time.monotonic()
    delay_s = options.longest_delay_s
    with VirtualBoard(
        program, bundle, nets=nets, rates=rates, seed=options.seed, longest_delay_s=delay_s
    ) as virtual:
        channel = open_board(virtual.where[options.way]).channel
        with Board(channel, _LIMIT_S) as board:
            board.check_build(bundle.build_id)
            trial = Trial(bundle, virtual, board, nets, options.seed)
            trial.start()
            virtual.microphone.play(bundle.array("golden/samples.npy"), options.speed, times=10**9)
            with progress("messages", options.messages) as advance:
                said = done = 0
                while (now := trial.tally.messages) < options.messages:
                    trial.turn()
                    advance(trial.tally.messages - now)
                    done = trial.tally.messages
                    if done - said >= max(1, options.messages // 10):
                        said = done
                        say(f"  {done} of {options.messages} messages, {time.monotonic() - begin:.0f} s")
            trial.stop()
            recoveries = {
                outage: [
                    _recovery(virtual, board, options.way, rates, outage) for _ in range(options.outages)
                ]
                for outage in ("storm", "stuck")
                if outage == "stuck" or options.way != "rpc"
            }
        wires = virtual.wires.get({"tcp": "tcp", "serial": "pty"}.get(options.way, ""))
        counts: Counter[str] = Counter()
        if wires is not None:
            counts = wires.to_board.counts + wires.to_host.counts
    tally = trial.tally
    slowest = max(
        [*tally.answer_s, *tally.record_s, *(s for many in recoveries.values() for s in many)], default=0.0
    )
    within = slowest <= RECOVERY_LIMIT_S
    return {
        "board": "virtual",
        "options": asdict(options),
        "messages": tally.messages,
        "answers": tally.answers,
        "records": tally.records,
        "records_late": tally.late,
        "records_lost_reported": tally.lost_reported,
        "records_lost_unreported": tally.lost_unreported,
        "wrong_accepted": tally.wrong_accepted,
        "faults": dict(counts),
        "line": asdict(channel.counts) if isinstance(channel, FramedChannel) else {},
        "answer_s": _spread(tally.answer_s),
        "record_s": _spread(tally.record_s),
        "recovery_s": {outage: [round(s, 3) for s in many] for outage, many in recoveries.items()},
        "slowest_s": round(slowest, 3),
        "limit_s": RECOVERY_LIMIT_S,
        "seconds": round(time.monotonic() - begin, 1),
        "passed": within and tally.wrong_accepted == 0 and tally.lost_unreported == 0,
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    p50, p99, most = np.percentile(seconds, [50, 99, 100])
    return {"p50": round(float(p50), 5), "p99": round(float(p99), 5), "max": round(float(most), 3)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="an .edgeser file (default: the shipped one)")
    parser.add_argument("--messages", type=int, default=100_000, help="answers and records (default 100000)")
    parser.add_argument(
        "--faults", type=float, default=0.01, help="share with each kind of fault (default 0.01)"
    )
    parser.add_argument(
        "--way", choices=("tcp", "serial", "rpc"), default="tcp", help="RPC has no line faults"
    )
    parser.add_argument("--seed", type=int, default=0, help="of faults and requests")
    parser.add_argument(
        "--outages", type=int, default=5, help="storms, and times that the board is stuck (default 5)"
    )
    parser.add_argument("--speed", type=float, default=1000.0, help="of the recording, 1 is real time")
    parser.add_argument(
        "--longest-delay-s",
        type=float,
        default=LONGEST_DELAY_S,
        help=f"of what is delayed (default {LONGEST_DELAY_S:g})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = vars(parser.parse_args())
    # Host and board take turns often here, in threads of one process: Python's 5 ms would be what is measured.
    sys.setswitchinterval(0.0005)
    as_json, path = arguments.pop("json"), arguments.pop("bundle")
    try:
        with tempfile.TemporaryDirectory(prefix="edge-ser-link-") as folder:
            bundle = read_bundle(path or shipped_bundle())
            found = measure(build_virtual_board(bundle, Path(folder)), bundle, Options(**arguments))
    except EdgeSerError as error:
        print(f"bench_link: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if as_json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:24} {value}")
    sys.exit(0 if found["passed"] else 1)


if __name__ == "__main__":
    main()
