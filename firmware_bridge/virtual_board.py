"""The virtual board: the firmware's portable core as a process of this machine, its nets run by LiteRT.

It speaks the board protocol on a TCP port, on a pseudo-terminal and by JSON-RPC, and its lines can be made as bad as
wanted. What it measures is this machine, never a board.

``python -m firmware_bridge.virtual_board [BUNDLE] [--play RECORDING]`` keeps one open until it is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from edge_ser.audio import read_audio
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import EdgeSerError
from edge_ser.frontend.tables import FrontendTables
from edge_ser.runtime.golden import TOLERANCE
from edge_ser.runtime.interpreters import LiteRtNet, Net
from firmware_bridge.faults import LONGEST_DELAY_S, FaultRates, FaultyWire
from firmware_bridge.host_process import C_FLAGS, INCLUDES, headers
from firmware_bridge.messages import Target
from firmware_bridge.programs import BOARDS, CORE, Compiler, Program, find_tool
from firmware_bridge.system_data import bundle_files, limits
from firmware_bridge.virtual_ports import LOCAL, PtyPort, TcpPort, Wires, pump
from firmware_bridge.virtual_rpc import VirtualRpc
from firmware_bridge.virtual_service import VirtualMicrophone, VirtualService

_END_S: Final = 5.0
_SOURCES: Final = ("virtual_board", "parent")


@dataclass(frozen=True)
class Ports:
    """Where a virtual board listens; 0 is any free port.

    Attributes:
        line: framed serial stream over TCP.
        rpc: JSON-RPC over HTTP.
    """

    line: int = 0
    rpc: int = 0


def build_virtual_board(bundle: Bundle, folder: Path, extra_flags: tuple[str, ...] = ()) -> Path:
    """Compile the virtual board of a bundle.

    Args:
        bundle: whose front end, heads, schedule and golden vectors it has.
        folder: where generated sources, objects and the program go; one for each bundle.
        extra_flags: more flags for compiling and linking, e.g. a sanitizer's.

    Returns:
        The program.

    Raises:
        MissingError: there is no C compiler.
        CheckError: the compiler says no.
    """
    compiler = Compiler(find_tool("gcc", "install a C compiler, on Debian the package gcc"))
    generated = folder.absolute() / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    files = bundle_files(bundle)
    for name, text in files.items():
        (generated / name).write_text(text)
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    defines = limits(tables) | {
        "ESER_ALLOWED_FEATURES": TOLERANCE["features"],
        "ESER_ALLOWED_KEYWORD": TOLERANCE["keyword_windows"],
        "ESER_ALLOWED_ACOUSTIC": TOLERANCE["acoustic_embedding"],
    }
    own = BOARDS / "host"
    program = Program(
        "virtual_board",
        (
            *sorted(CORE.glob("*.c")),
            BOARDS / "common" / "segment.c",
            *(own / f"{name}.c" for name in _SOURCES),
            *(generated / name for name in sorted(files) if name.endswith(".c")),
        ),
        (
            *C_FLAGS,
            *INCLUDES,
            f"-I{generated}",
            *(f"-D{name}={value}" for name, value in defines.items()),
            *extra_flags,
        ),
        link_flags=extra_flags,
        watched=(*headers(), own / "parent.h", *(generated / name for name in files)),
    )
    return compiler.build(program, folder)


def bundle_nets(bundle: Bundle) -> dict[Target, Net]:
    """Both nets of a bundle, run by LiteRT on this CPU.

    Raises:
        InputError: a net is not what the bundle's spec says.
        MissingError: LiteRT is not installed.
    """
    channels = bundle.spec.frontend.channels
    return {
        target: LiteRtNet(bundle.member(f"{name}.tflite"), name, frames, channels)
        for target, name, frames in (
            (Target.KEYWORD, "keyword", bundle.spec.keyword_frames),
            (Target.ACOUSTIC, "acoustic", bundle.spec.segment_frames),
        )
    }


class VirtualBoard:
    """A running virtual board; use as a context manager.

    Attributes:
        microphone: what it hears.
        wires: the faulty wires of the TCP port and of the pseudo-terminal, by ``"tcp"`` and ``"pty"``.
    """

    def __init__(
        self,
        program: Path,
        bundle: Bundle,
        *,
        nets: Mapping[Target, Net] | None = None,
        ports: Ports | None = None,
        rates: FaultRates | None = None,
        seed: int = 0,
        longest_delay_s: float = LONGEST_DELAY_S,
        wrong_build: bool = False,
    ) -> None:
        """Start the process and open its ports.

        Args:
            program: from :func:`build_virtual_board`.
            bundle: of which it was built.
            nets: what runs its nets; ``None`` is :func:`bundle_nets`.
            ports: where it listens; ``None`` is any free port.
            rates: faults of its serial lines; ``None`` is none.
            seed: of the faults.
            longest_delay_s: of what they delay.
            wrong_build: whether it says that it was built from another bundle.

        Raises:
            InputError: a net is not what the spec says, or a port cannot be listened on.
            MissingError: LiteRT is not installed.
        """
        spec = bundle.spec
        channels, ports = spec.frontend.channels, ports or Ports()
        nets = nets or bundle_nets(bundle)
        shapes = {
            Target.KEYWORD: (spec.keyword_frames, channels),
            Target.ACOUSTIC: (spec.segment_frames, channels),
        }
        self.microphone = VirtualMicrophone(spec.frontend.sample_rate_hz)
        wires = [
            Wires(
                *(
                    FaultyWire(rates or FaultRates(), seed + 2 * line + end, longest_delay_s)
                    for end in range(2)
                )
            )
            for line in range(2)
        ]
        self.wires = dict(zip(("tcp", "pty"), wires, strict=True))
        self._tcp, self._pty = TcpPort(ports.line), PtyPort()
        own, others = zip(*(socket.socketpair() for _ in range(4)), strict=True)
        self._sockets: tuple[socket.socket, ...] = own
        self._rpc = VirtualRpc(own[3], ports.rpc)
        numbers = [other.fileno() for other in others]
        self._process = subprocess.Popen(
            [str(program), *map(str, numbers), "wrong" if wrong_build else "true"],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
        )
        for other in others:
            other.close()
        self._service = VirtualService(own[0], nets, shapes)
        self._threads = [threading.Thread(target=self._service.run, args=(self.microphone,), daemon=True)]
        self._threads[0].start()
        self._threads += pump(self._tcp, own[1], wires[0])
        self._threads += pump(self._pty, own[2], wires[1])
        self.made = self._service.made

    @property
    def where(self) -> dict[str, str]:
        """What :func:`firmware_bridge.link.open_board` opens: ``tcp``, ``serial`` (the pseudo-terminal), ``rpc``."""
        return {
            "tcp": f"tcp:{LOCAL}:{self._tcp.number}",
            "serial": f"serial:{self._pty.name}",
            "rpc": f"rpc:{LOCAL}:{self._rpc.port}",
        }

    def stick(self) -> None:
        """Let the board be stuck: it takes nothing and says nothing until :meth:`go_on`."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a stuck board go on where it was."""
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        """The board itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and close the ports."""
        self.close()

    def close(self) -> None:
        """End the process and close the ports."""
        self._rpc.close()
        self._process.kill()
        self._process.wait(_END_S)
        self._tcp.close()
        self._pty.close()
        for own in self._sockets:
            with contextlib.suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_END_S)
        for own in self._sockets:
            own.close()


def main() -> None:
    """Keep a virtual board open; prints where it is."""
    parser = argparse.ArgumentParser(
        prog="python -m firmware_bridge.virtual_board",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="an .edgeser file (default: the shipped one)")
    parser.add_argument("--play", type=Path, help="a recording that it hears, once the stream is turned on")
    parser.add_argument("--line-port", type=int, default=0, help="TCP port of the serial stream")
    parser.add_argument("--rpc-port", type=int, default=0, help="TCP port of JSON-RPC")
    parser.add_argument("--faults", type=float, default=0.0, help="share of messages with each kind of fault")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--wrong-build", action="store_true", help="say that it is of another bundle")
    arguments = parser.parse_args()
    try:
        bundle = read_bundle(arguments.bundle or shipped_bundle())
        with tempfile.TemporaryDirectory(prefix="edge-ser-virtual-") as folder:
            program = build_virtual_board(bundle, Path(folder))
            with VirtualBoard(
                program,
                bundle,
                ports=Ports(arguments.line_port, arguments.rpc_port),
                rates=FaultRates.all_of(arguments.faults),
                seed=arguments.seed,
                wrong_build=arguments.wrong_build,
            ) as board:
                if arguments.play:
                    rate = bundle.spec.frontend.sample_rate_hz
                    board.microphone.play(read_audio(arguments.play, rate), speed=1.0)
                for place in board.where.values():
                    print(place, flush=True)  # noqa: T201
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
    except EdgeSerError as error:
        print(f"virtual board: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
