"""What `edge-ser doctor` finds out about compilers, libraries and devices; it changes nothing and never waits long."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.cli.doctor_items import Item, ask_child, installed

USB_DEVICES: Final = Path("/sys/bus/usb/devices")
SERIAL_PORTS: Final = Path("/sys/class/tty")
DEFAULT_BOARD: Final = "rpc:10.10.10.1"

# Vendor and product. The Micro's are those of scripts/flashtool.py in github.com/google-coral/coralmicro; the USB
# Accelerator's those of its udev rules in github.com/google-coral/edgetpu (before and after the runtime loads it).
_MICRO: Final = ("18d1", "93ff")
_MICRO_STATES: Final = {
    _MICRO: "running",
    ("18d1", "93fe"): "in its loader: flash it again",
    ("1fc9", "013d"): "in its boot ROM: flash it, or press reset",
    ("15a2", "0073"): "in its flash loader: flash it again",
}
_ACCELERATOR: Final = {("1a6e", "089a"): "not yet loaded", ("18d1", "9302"): "loaded"}

_CONNECT_S: Final = 0.3
_ANSWER_S: Final = 1.0
_VERSION_S: Final = 5.0
_SDK_HOW: Final = (
    "git clone --recurse-submodules https://github.com/google-coral/coralmicro, run its setup.sh, "
    "then export CORALMICRO=path/to/coralmicro"
)
_DELEGATE_HOW: Final = "Debian package libedgetpu1-std of Google's apt repository coral-edgetpu-stable"
_M7_HOW: Final = "make m7-deps (Debian: gcc-arm-none-eabi, libstdc++-arm-none-eabi-newlib, qemu-system-arm)"
_DELEGATE_SCRIPT: Final = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.edgetpu_version.restype = ctypes.c_char_p
library.edgetpu_list_devices.restype = ctypes.c_void_p
count = ctypes.c_size_t()
library.edgetpu_list_devices(ctypes.byref(count))
print(count.value)
print(library.edgetpu_version().decode(errors="replace").replace("\\n", " "))
"""
_MICROPHONE_SCRIPT: Final = """
import sounddevice
print(sum(device["max_input_channels"] > 0 for device in sounddevice.query_devices()))
"""


@dataclass(frozen=True)
class UsbDevice:
    """A device on the USB of this machine, as the kernel names it.

    Attributes:
        vendor: four hexadecimal digits.
        product: four hexadecimal digits.
    """

    vendor: str
    product: str


def edge_tpu() -> tuple[Item, ...]:
    """The compiler, what it has answered, the delegate's library and the devices that it sees."""
    return (_compiler(), _op_table(), *_delegate())


def boards(
    address: str = DEFAULT_BOARD, usb: Path = USB_DEVICES, serial_ports: Path = SERIAL_PORTS
) -> tuple[Item, ...]:
    """The Coral Dev Board Micro on USB, on a serial port, on the network; the SDK that builds and flashes for it.

    Args:
        address: of a board, as for `edge-ser bench --board`.
        usb: where the kernel lists USB devices.
        serial_ports: where it lists serial ports.
    """
    return (_on_usb(usb), _on_serial(serial_ports), _answering(address), _sdk())


def microphone() -> tuple[Item, ...]:
    """PortAudio, and the devices that can record."""
    from ctypes.util import find_library

    library = find_library("portaudio")
    how = "" if library else "apt install libportaudio2"
    purpose = "listen, tools/rerecord.py"
    portaudio = Item("portaudio", library is not None, library or "", purpose, how, group="microphone")
    if library is None or not installed("sounddevice"):
        how = "portaudio and sounddevice first; without a microphone: edge-ser listen --from FILE"
        return (portaudio, Item("microphone", False, "", "listen", how, group="microphone"))
    told = ask_child(_MICROPHONE_SCRIPT)
    count = int(told[-1]) if told and told[-1].isdecimal() else 0
    how = "" if count else "plug one in; without one: edge-ser listen --from FILE"
    words = f"{count} devices record" if count else ""
    return (portaudio, Item("microphone", count > 0, words, "listen", how, group="microphone"))


def build_tools() -> tuple[Item, ...]:
    """Compilers and the emulator."""
    firmware = "firmware: building it"
    wanted = (
        ("gcc", "the C extensions, the virtual board", "apt install gcc libc6-dev"),
        ("cmake", firmware, "apt install cmake"),
        ("arm-none-eabi-g++", "parity on an emulated Cortex-M7", _M7_HOW),
        ("qemu-system-arm", "parity on an emulated Cortex-M7", _M7_HOW),
    )
    return tuple(_program(*each) for each in wanted)


def usb_devices(place: Path = USB_DEVICES) -> Iterator[UsbDevice]:
    """Every device that the kernel lists; none where there is no such list (another system, a container)."""
    if not place.is_dir():
        return
    for entry in sorted(place.iterdir()):
        found = _ids(entry)
        if found is not None:
            yield found


def _ids(entry: Path) -> UsbDevice | None:
    try:
        vendor = (entry / "idVendor").read_text(encoding="ascii")
        product = (entry / "idProduct").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return UsbDevice(vendor.strip().lower(), product.strip().lower())


def _compiler() -> Item:
    from edge_ser.edgetpu.compiler import INSTALL_HINT, NAME, compiler_version, find_compiler
    from edge_ser.errors import CheckError

    purpose = "compile"
    path = find_compiler(None)
    if path is None:
        return Item(NAME, False, "", purpose, INSTALL_HINT, group="Edge TPU")
    try:
        return Item(NAME, True, compiler_version(path), purpose, "", group="Edge TPU")
    except CheckError as error:
        return Item(NAME, False, "", purpose, str(error), group="Edge TPU")


def _op_table() -> Item:
    from edge_ser.edgetpu.op_table import read_table, table_path
    from edge_ser.errors import InputError

    name, purpose, how = "op table", "check, with your compiler's own answers", "edge-ser doctor --probe"
    place = table_path()
    if place is None or not place.exists():
        return Item(name, False, "", purpose, how, group="Edge TPU")
    try:
        table = read_table(place)
    except InputError as error:
        return Item(name, False, "", purpose, str(error), group="Edge TPU")
    told = f"compiler {table.compiler}, {len(table.results)} answers"
    return Item(name, True, told, purpose, "", group="Edge TPU")


def _delegate() -> tuple[Item, Item]:
    from ctypes.util import find_library

    purpose = "bench --backend usb"
    library = find_library("edgetpu")
    seen = [_ACCELERATOR[each] for each in _pairs(USB_DEVICES) if each in _ACCELERATOR]
    plugged = Item("Edge TPU on USB", False, "", purpose, "plug a Coral USB Accelerator in", group="Edge TPU")
    if seen:
        plugged = Item("Edge TPU on USB", True, ", ".join(seen), purpose, "", group="Edge TPU")
    if library is None:
        return Item("libedgetpu", False, "", purpose, _DELEGATE_HOW, group="Edge TPU"), plugged
    return _loaded(library, purpose), plugged


def _loaded(library: str, purpose: str) -> Item:
    """The library as it loads in a process of its own: one built for another machine ends that process."""
    told = ask_child(_DELEGATE_SCRIPT, library)
    if told is None or len(told) < 2:
        how = f"{library} is there and does not load; reinstall it: {_DELEGATE_HOW}"
        return Item("libedgetpu", False, "", purpose, how, group="Edge TPU")
    version = f"{library}, {told[1]}, {told[0]} devices"
    return Item("libedgetpu", True, version, purpose, "", group="Edge TPU")


def _pairs(place: Path) -> list[tuple[str, str]]:
    return [(device.vendor, device.product) for device in usb_devices(place)]


def _on_usb(place: Path) -> Item:
    name, purpose = "Coral Dev Board Micro", "bench --backend board, flashing"
    states = [_MICRO_STATES[each] for each in _pairs(place) if each in _MICRO_STATES]
    if not states:
        how = "connect one by a USB-C cable that carries data; without one: bench --backend host"
        return Item(name, False, "", purpose, how, group="board")
    return Item(name, True, ", ".join(states), purpose, "", group="board")


def _on_serial(place: Path) -> Item:
    name, purpose = "serial port of a board", "bench --board serial:PORT, the board's console"
    ports = [entry.name for entry in sorted(place.glob("ttyACM*")) if _is_micro(entry)]
    if not ports:
        how = "appears as /dev/ttyACM0 once a flashed board is connected"
        return Item(name, False, "", purpose, how, group="board")
    device = Path("/dev") / ports[0]
    barred = device.exists() and not os.access(device, os.R_OK | os.W_OK)
    how = (
        f"{device} is not yours to open: sudo usermod -aG dialout $USER, then log in again" if barred else ""
    )
    return Item(name, True, ", ".join(f"/dev/{port}" for port in ports), purpose, how, group="board")


def _is_micro(entry: Path) -> bool:
    """Whether a serial port belongs to a Micro: the USB device is some folders above the port's own."""
    try:
        above = (entry / "device").resolve().parents
    except OSError:
        return False
    ids = (_ids(folder) for folder in above)
    return any((found.vendor, found.product) == _MICRO for found in ids if found is not None)


def _answering(address: str) -> Item:
    """Whether a board answers at an address, and what its firmware is; short waits: there mostly is none."""
    name, purpose = "board that answers", "bench --backend board"
    how = f"nobody at {address}; flash a board (edge-ser firmware, make flash), or name one with --board"
    if not _listens(address):
        return Item(name, False, "", purpose, how, group="board")
    from edge_ser.errors import EdgeSerError
    from firmware_bridge.link import open_board

    try:
        with open_board(address, _ANSWER_S) as board:
            info = board.info()
    except EdgeSerError as error:
        return Item(name, False, "", purpose, f"{error}; is edge-ser's firmware on it?", group="board")
    told = f"{address}: {info.name}, build {info.build_id[:8]}"
    return Item(name, True, told, purpose, "", group="board")


def _listens(address: str) -> bool:
    kind, _, place = address.partition(":")
    if kind not in ("rpc", "tcp"):
        return True
    host, _, port = place.rpartition(":") if ":" in place else (place, "", "80")
    if not port.isdecimal() or not 0 < int(port) <= 65_535:
        return True  # open_board says what is wrong with it
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_S):
            return True
    except OSError:
        return False


def _sdk() -> Item:
    name, purpose = "coralmicro SDK", "make firmware, make flash"
    place = os.environ.get("CORALMICRO", "")
    if not place:
        return Item(name, False, "", purpose, _SDK_HOW, group="board")
    from edge_ser.errors import MissingError
    from firmware_bridge.coral_sdk import CoralSdk

    try:
        sdk = CoralSdk.find(Path(place))
    except MissingError as error:
        return Item(name, False, "", purpose, str(error), group="board")
    if not (sdk.root / "scripts" / "flashtool.py").is_file():
        return Item(
            name, False, "", purpose, f"{place}: lacks scripts/flashtool.py; {_SDK_HOW}", group="board"
        )
    compiler = "with its own compiler" if sdk.own_compiler else "without its compiler: run its setup.sh"
    return Item(name, True, f"{place}, {compiler}", purpose, "", group="board")


def _program(name: str, purpose: str, how: str) -> Item:
    path = shutil.which(name)
    if path is None:
        return Item(name, False, "", purpose, how, group="build tools")
    return Item(name, True, _first_line(path), purpose, "", group="build tools")


def _first_line(path: str) -> str:
    """What a program says of its version, or where it is if it says nothing."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return path
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else path
