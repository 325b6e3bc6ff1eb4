"""A board at the other end of the link, or the virtual one: nets and decisions run there, its own clock times them.

The board fills its input anew before every run and counts microseconds around each stage; the link is in no figure.
A board runs what it is asked to run: each net on its own, and a whole segment (front end over all of its audio, every
keyword window, the acoustic net, fusion). A decision that comes due is put together from these, run by run.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.bench.decision import STAGES
from edge_ser.bench.machine import this_machine
from edge_ser.bench.result import FORMAT, Agreement, BackendName, BenchResult, BundleName, Kind
from edge_ser.bench.timing import Statistics, Timings
from edge_ser.bundle import Bundle
from edge_ser.errors import MissingError
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.runtime.golden import beyond_tolerance, distance
from firmware_bridge.link import Board, RawRun
from firmware_bridge.link_channel import NoAnswerError
from firmware_bridge.messages import NOT_RUN, BoardInfo, BoardKind, ClockMode, Target

CLOCKS_MHZ: Final = {
    ClockMode.LOW: 63.0,
    ClockMode.MEDIUM: 125.0,
    ClockMode.HIGH: 250.0,
    ClockMode.MAX: 500.0,
}
"""The Edge TPU's clock by mode (coralmicro's PerformanceMode)."""

WHAT: Final = (
    "one decision as it comes due, put together run by run from runs of their own: one inference of each net, "
    "the fusion, and of the front end over a whole segment the newest keyword hop's share"
)
WHAT_OF_NETS: Final = "one inference of each net, from runs of their own; this board runs no whole decision"

_KINDS: Final[dict[BoardKind, Kind]] = {
    BoardKind.CORAL_MICRO: "measured",
    BoardKind.VIRTUAL: "virtual",
    BoardKind.EMULATED: "emulated",
}
_FIRST: Final = (
    "The first run is the first since this bench began: the board's self-test at boot has run before, so that the "
    "upload of the parameters may be in neither."
)
_VIRTUAL: Final = (
    "A VIRTUAL board: the same C as a process of this machine, the nets by LiteRT on its behalf. These times are this "
    "machine's and say nothing about a board."
)
_GET_BOARD: Final = (
    "connect a Coral Dev Board Micro by USB with this bundle's firmware on it (edge-ser firmware, then make flash), or "
    "try the virtual board: --backend host"
)
_NS_PER_US: Final = 1000


def run_board(
    board: Board,
    bundle: Bundle,
    backend: BackendName,
    runs: int,
    warm_up: int,
    clock: ClockMode | None = None,
) -> BenchResult:
    """Bench a board.

    Args:
        board: it.
        bundle: which its firmware must have been made from.
        backend: ``"board"`` or ``"host"``.
        runs: timed runs of every target.
        warm_up: runs before them, after the first.
        clock: of the Edge TPU; ``None`` leaves it.

    Raises:
        CheckError: the board runs another bundle, or does not answer.
        MissingError: nobody answers, the board cannot run a net, or has no clock to set.
    """
    try:
        info = board.check_build(bundle.build_id)
    except NoAnswerError as error:
        message = f"{error}; {_GET_BOARD}"
        raise MissingError(message) from None
    settings: dict[str, str | bool | int | float] = {}
    mode = _clock(board, clock)
    if mode is not None:
        settings = {"clock": mode.name.lower(), "clock_mhz": CLOCKS_MHZ[mode]}
    warm = [_temperature(board)]
    keyword_input, acoustic_in = _net_inputs(bundle)
    keyword = _Ran(board, Target.KEYWORD, keyword_input, runs, warm_up)
    acoustic = _Ran(board, Target.ACOUSTIC, acoustic_in, runs, warm_up)
    decision = None
    if info.sizes[Target.DECISION][0]:
        samples = bundle.array("golden/samples.npy").astype("<i2").tobytes()
        decision = _Ran(board, Target.DECISION, samples, runs, warm_up)
    warm.append(_temperature(board))
    timed = _due(bundle, keyword, acoustic, decision)
    whole = timed.whole
    kind = _KINDS[info.kind]
    notes = [_FIRST] if kind == "measured" else [_VIRTUAL]
    if None not in warm:
        notes.append(f"Edge TPU: {warm[0]:.1f} °C before, {warm[1]:.1f} °C after.")
    return BenchResult(
        format=FORMAT,
        backend=backend,
        kind=kind,
        device=info.name if kind == "measured" else f"{info.name} ({kind})",
        what=WHAT if decision else WHAT_OF_NETS,
        bundle=BundleName(bundle.spec.name, bundle.build_id),
        settings=settings,
        machine=this_machine(),
        runs=whole.runs,
        warm_up=warm_up,
        first_ms=whole.first_ms,
        p50_ms=whole.p50_ms,
        p95_ms=whole.p95_ms,
        p99_ms=whole.p99_ms,
        mean_ms=whole.mean_ms,
        least_ms=whole.least_ms,
        most_ms=whole.most_ms,
        stages={name: timed.stage(name) for name in timed.stages},
        segment={} if decision is None else _segment(decision),
        file=None,
        usage=None,
        instructions={},
        agreement=_agreement(board, bundle, info, keyword, acoustic, decision),
        notes=tuple(notes),
        runs_ms=timed.runs_ms(),
    )


class _Ran:
    """One target: its first run, and the runs after the warm-up; int64 (runs, 4 stages) nanoseconds."""

    def __init__(self, board: Board, target: Target, data: bytes, runs: int, warm_up: int) -> None:
        self.first = _ns(board.run_raw(target, data))[0]
        if warm_up:
            board.run_raw(target, data, warm_up)
        last: RawRun = board.run_raw(target, data, runs)
        self.runs, self.output = _ns(last), last.output


def _ns(ran: RawRun) -> NDArray[np.int64]:
    """A stage that was not run took no time."""
    microseconds = ran.microseconds.astype(np.int64)
    return np.where(microseconds == NOT_RUN, 0, microseconds) * _NS_PER_US


def _net_inputs(bundle: Bundle) -> tuple[bytes, bytes]:
    spec = bundle.spec
    features: NDArray[np.uint8] = bundle.array("golden/features.npy")
    start = spec.keyword_starts[0]
    heard = acoustic_input(features[np.newaxis], spec.acoustic.normalisation)[0]
    return features[start : start + spec.keyword_frames].tobytes(), heard.tobytes()


def _due(bundle: Bundle, keyword: _Ran, acoustic: _Ran, decision: _Ran | None) -> Timings:
    """Stages of a decision that comes due, or of the nets alone."""
    columns = {
        "keyword": (keyword, STAGES.index("keyword")),
        "acoustic": (acoustic, STAGES.index("acoustic")),
    }
    if decision is None:
        first = np.array([ran.first[at] for ran, at in columns.values()])
        runs = np.stack([ran.runs[:, at] for ran, at in columns.values()], axis=1)
        return Timings(tuple(columns), first, runs, 0)
    spec = bundle.spec
    share = spec.frontend.samples_for(spec.keyword.hop_s) / spec.segment_samples
    first, runs = decision.first.copy(), decision.runs.copy()
    at = STAGES.index("frontend")
    first[at], runs[:, at] = round(first[at] * share), np.rint(runs[:, at] * share)
    for ran, at in columns.values():
        first[at], runs[:, at] = ran.first[at], ran.runs[:, at]
    return Timings(STAGES, first, runs, 0)


def _segment(decision: _Ran) -> dict[str, Statistics]:
    timed = Timings(STAGES, decision.first, decision.runs, 0)
    return {"whole": timed.whole, **{name: timed.stage(name) for name in STAGES}}


def _agreement(
    board: Board, bundle: Bundle, info: BoardInfo, keyword: _Ran, acoustic: _Ran, decision: _Ran | None
) -> Agreement:
    """Outputs of the runs beside the golden vectors, and what the board's own self-test says."""
    test = board.self_test()
    differences = {
        "features": test.differences["frontend"],
        "acoustic_embedding": _distance(bundle.array("golden/acoustic_embedding.npy"), acoustic.output, "u1"),
        "keyword_windows": _distance(bundle.array("golden/keyword_windows.npy")[0], keyword.output, "u1"),
    }
    # A board whose front end cannot be tested alone says nothing of the features.
    silent = {"features"} if differences["features"] is None else set()
    wrong = beyond_tolerance({name: found for name, found in differences.items() if name not in silent})
    if decision is not None:
        differences["scores"] = _distance(bundle.array("golden/scores.npy"), decision.output, "<i4")
    if test.failed is not None:
        wrong.append(f"the board's own self-test fails at {test.failed}")
    problem = f"golden vectors: {info.name}: {'; '.join(wrong)}" if wrong else ""
    return Agreement(differences, not wrong, problem)


def _distance(expected: NDArray[np.generic], output: bytes, code: str) -> int | None:
    found = np.frombuffer(output, code) if len(output) % np.dtype(code).itemsize == 0 else np.empty(0, code)
    return distance(expected.ravel(), found)


def _clock(board: Board, wanted: ClockMode | None) -> ClockMode | None:
    try:
        return board.clock(wanted)
    except MissingError:
        if wanted is not None:
            raise
        return None


def _temperature(board: Board) -> float | None:
    try:
        return board.temperature()
    except MissingError:
        return None
