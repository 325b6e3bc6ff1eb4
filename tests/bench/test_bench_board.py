"""A board's figures: put together as said, held against the golden vectors, and a virtual board never a board."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_ser.bench.board import CLOCKS_MHZ, run_board
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import CheckError, MissingError
from firmware_bridge.link import RawRun, open_board
from firmware_bridge.link_channel import NoAnswerError
from firmware_bridge.messages import NOT_RUN, BoardInfo, BoardKind, ClockMode, SelfTest, Target


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(shipped_bundle())


class _Board:
    """Stands in for a board: says the golden vectors, and times that are told apart by target and stage."""

    def __init__(self, bundle: Bundle, kind: BoardKind = BoardKind.CORAL_MICRO, decides: bool = True) -> None:
        self._bundle, self._kind, self._decides = bundle, kind, decides
        self.asked: list[tuple[Target, int]] = []
        self.wrong: Target | None = None
        self.silent = False
        self.mode = ClockMode.HIGH
        self.self_test_failed: str | None = None

    def check_build(self, build_id: str) -> BoardInfo:
        if self.silent:
            message = "rpc: no answer"
            raise NoAnswerError(message)
        assert build_id == self._bundle.build_id
        decision = (92_800, 24) if self._decides else (0, 0)
        sizes = {Target.KEYWORD: (1, 1), Target.ACOUSTIC: (1, 1), Target.DECISION: decision}
        return BoardInfo(self._kind, "stand-in", build_id, 0, sizes)

    def run_raw(self, target: Target, data: bytes, runs: int = 1) -> RawRun:
        assert data
        self.asked.append((target, runs))
        names = {
            Target.KEYWORD: "golden/keyword_windows.npy",
            Target.ACOUSTIC: "golden/acoustic_embedding.npy",
            Target.DECISION: "golden/scores.npy",
        }
        values = self._bundle.array(names[target])
        output = values[0] if target is Target.KEYWORD else values
        if target is self.wrong:
            output = output + np.array(40, output.dtype)
        rows = {
            Target.KEYWORD: (NOT_RUN, 1000, NOT_RUN, NOT_RUN),
            Target.ACOUSTIC: (NOT_RUN, NOT_RUN, 3000, NOT_RUN),
            Target.DECISION: (29_000, 4000, 3100, 70),
        }
        return RawRun(
            output.astype(output.dtype.newbyteorder("<")).tobytes(),
            np.tile(rows[target], (runs, 1)).astype(np.uint32),
        )

    def self_test(self) -> SelfTest:
        return SelfTest(self.self_test_failed, {"frontend": 0, "keyword": 0, "acoustic": 0, "fusion": 0})

    def clock(self, mode: ClockMode | None = None) -> ClockMode:
        self.mode = self.mode if mode is None else mode
        return self.mode

    def temperature(self) -> float:
        return 41.5


def test_a_decision_is_put_together_as_it_is_said(bundle: Bundle) -> None:
    board = _Board(bundle)
    result = run_board(board, bundle, "board", 200, 10)  # type: ignore[arg-type]
    # The front end's 29 ms are of a whole segment of 2.9 s; half a second of it is due.
    assert result.stages["frontend"].p50_ms == pytest.approx(29 * 0.5 / 2.9)
    assert (result.stages["keyword"].p50_ms, result.stages["acoustic"].p50_ms) == (1.0, 3.0)
    assert result.stages["fusion"].p50_ms == 0.07
    assert result.p50_ms == pytest.approx(5 + 1 + 3 + 0.07)
    assert result.segment["whole"].p50_ms == pytest.approx(29 + 4 + 3.1 + 0.07)
    assert result.kind == "measured"
    assert result.settings == {"clock": "high", "clock_mhz": 250.0}
    assert result.agreement.within
    # First run apart, warm-up, then the runs that count; for each target.
    assert board.asked == [(target, runs) for target in Target for runs in (1, 10, 200)]


def test_a_clock_is_set_and_told(bundle: Bundle) -> None:
    result = run_board(_Board(bundle), bundle, "board", 5, 0, ClockMode.MAX)  # type: ignore[arg-type]
    assert result.settings["clock_mhz"] == CLOCKS_MHZ[ClockMode.MAX] == 500.0


@pytest.mark.parametrize(("kind", "word"), [(BoardKind.VIRTUAL, "virtual"), (BoardKind.EMULATED, "emulated")])
def test_what_is_no_board_is_never_a_measurement(bundle: Bundle, kind: BoardKind, word: str) -> None:
    """Whatever the person asked for: the board says what it is."""
    result = run_board(_Board(bundle, kind), bundle, "board", 5, 0)  # type: ignore[arg-type]
    assert result.kind == word
    assert word in result.device
    assert word.upper() in result.title
    assert any("say nothing about a board" in note for note in result.notes)


def test_a_board_without_decisions_gives_the_nets_alone(bundle: Bundle) -> None:
    result = run_board(_Board(bundle, decides=False), bundle, "board", 5, 0)  # type: ignore[arg-type]
    assert list(result.stages) == ["keyword", "acoustic"]
    assert result.p50_ms == 4.0
    assert "no whole decision" in result.what
    assert result.segment == {}


@pytest.mark.parametrize("target", [Target.KEYWORD, Target.ACOUSTIC])
def test_a_net_that_computes_other_values_is_told(bundle: Bundle, target: Target) -> None:
    board = _Board(bundle)
    board.wrong = target
    result = run_board(board, bundle, "board", 5, 0)  # type: ignore[arg-type]
    assert not result.agreement.within
    assert target.name.lower() in result.agreement.problem


def test_a_failed_self_test_is_told(bundle: Bundle) -> None:
    board = _Board(bundle)
    board.self_test_failed = "frontend"
    result = run_board(board, bundle, "board", 5, 0)  # type: ignore[arg-type]
    assert "self-test fails at frontend" in result.agreement.problem


def test_nobody_answers(bundle: Bundle) -> None:
    board = _Board(bundle)
    board.silent = True
    with pytest.raises(MissingError, match=r"no answer; connect.*--backend host"):
        run_board(board, bundle, "board", 5, 0)  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler, which the virtual board needs")
def test_the_virtual_board(bundle: Bundle, tmp_path: Path) -> None:
    from firmware_bridge.virtual_board import VirtualBoard, build_virtual_board

    program = build_virtual_board(bundle, tmp_path)
    with VirtualBoard(program, bundle) as virtual, open_board(virtual.where["tcp"]) as board:
        result = run_board(board, bundle, "host", 130, 2)
    assert result.kind == "virtual"
    assert result.agreement.within, result.agreement.problem
    assert result.agreement.differences["scores"] == 0
    assert result.runs == len(result.runs_ms["whole"]) == 130
    assert all(stage.p50_ms > 0 for name, stage in result.stages.items() if name in ("keyword", "acoustic"))
    with (
        VirtualBoard(program, bundle, wrong_build=True) as virtual,
        open_board(virtual.where["tcp"]) as board,
        pytest.raises(CheckError, match="runs build"),
    ):
        run_board(board, bundle, "host", 5, 0)
