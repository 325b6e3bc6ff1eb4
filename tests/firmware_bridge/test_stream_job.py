"""The listener as firmware has it, compiled with a system's generated data: here with sanitizers, and on the M7."""

from __future__ import annotations

import dataclasses
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.runtime.native_stream import BUILT
from edge_ser.runtime.stream_system import StreamSystem, stream_system
from firmware_bridge import stream_parity
from firmware_bridge.core_parts import part_sizes
from firmware_bridge.host_process import C_FLAGS, INCLUDES, HostProcess
from firmware_bridge.programs import Program, run
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.stream_job import (
    LISTENER,
    MEMORY,
    StreamRecording,
    read_results,
    run_on_host,
    system_folder,
    write_job,
)
from firmware_bridge.stream_parity import HOST, M7, NATIVE, PYTHON, StreamComparison, padded, settings_of
from firmware_bridge.system_data import bundle_files

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(shipped_bundle())


@pytest.fixture(scope="module")
def system(bundle: Bundle) -> StreamSystem:
    return stream_system(bundle)


@pytest.fixture(scope="module")
def sanitized() -> HostProcess:
    try:
        return HostProcess.find(*SANITIZERS)
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every system's program is built once."""
    return tmp_path_factory.mktemp("stream")


def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    loud, quiet = (rng.normal(size=16_000 * 5).astype(np.float64) for _ in range(2))
    whole = (loud * 4000 * (np.arange(80_000) // 24_000 % 2) + quiet * 20).astype(np.int16)
    return {
        "bursts": whole,
        "short": whole[:9000],
        "one sample": whole[:1],
        "extremes": np.resize(np.array([-32768, 32767], np.int16), 60_000),
    }


@pytest.fixture(scope="module")
def comparison(bundle: Bundle, sanitized: HostProcess, built: Path) -> StreamComparison:
    """Everything that this machine can run, on made sounds."""
    try:
        m7 = QemuM7.find()
    except MissingError:
        m7 = None
    made = StreamComparison(settings_of(bundle), built, sanitized, m7, native=BUILT)
    made.add(sounds())
    return made


def agrees(comparison: StreamComparison, listener: str) -> None:
    for setting in comparison.settings:
        count = comparison.counts[setting.name, listener]
        assert (count.differences, count.first) == (0, None)
        assert count.recordings == len(sounds())
        assert count.bytes > 10_000
        assert count.records > 3


def test_the_process_does_what_python_does_and_breaks_no_rule(comparison: StreamComparison) -> None:
    agrees(comparison, HOST)
    assert comparison.broken == []


def test_the_extension_does_what_python_does(comparison: StreamComparison) -> None:
    if not BUILT:
        pytest.skip("the C listener is not built; install a C compiler, then reinstall edge-ser")
    agrees(comparison, NATIVE)


def test_the_m7_does_what_python_does(comparison: StreamComparison, m7: QemuM7) -> None:
    agrees(comparison, M7)
    for setting in comparison.settings:
        count = comparison.counts[setting.name, M7]
        per_second = [spent / comparison.seconds_of[setting.name] for spent in count.instructions]
        print(setting.name, [round(spent) for spent in per_second])  # noqa: T201
        assert 500_000 < sum(per_second) < 6_000_000
        assert min(per_second) > 0


def test_the_whole_path_fits_in_64_kilobytes(m7: QemuM7, system: StreamSystem, tmp_path: Path) -> None:
    parts = {part.name: part for part in part_sizes(m7, system, tmp_path)}
    print(parts)  # noqa: T201
    ram = sum(part.ram_bytes for part in parts.values())
    assert ram + sum(part.stack_bytes for part in parts.values()) <= 64 * 1024
    ring = system.schedule.segment_frames * system.tables.channels
    assert ring < parts["listener's memory"].ram_bytes
    assert [name for name, part in parts.items() if part.ram_bytes] == ["listener's memory"]
    assert all(part.flash_bytes > 0 for part in parts.values())


def test_a_difference_is_found(
    bundle: Bundle, sanitized: HostProcess, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stream_parity.run_on_host

    def flipping(*arguments: object) -> object:
        results = real(*arguments)  # type: ignore[arg-type]  # as given
        events = bytearray(results.recordings[0].events)
        events[100] ^= 1
        results.recordings[0] = dataclasses.replace(results.recordings[0], events=bytes(events))
        return results

    monkeypatch.setattr(stream_parity, "run_on_host", flipping)
    made = StreamComparison(settings_of(bundle)[2:], built, sanitized, None, native=False)
    made.add({"bursts": sounds()["bursts"]})
    assert made.counts["short", PYTHON].differences == 0
    (broken,) = made.broken
    assert broken.differences == 1
    assert (broken.first.recording, broken.first.byte) == ("bursts", 100)  # type: ignore[union-attr]  # it is there


def test_a_listener_that_asks_for_other_embeddings_is_told(
    sanitized: HostProcess, system: StreamSystem, built: Path
) -> None:
    samples = padded(system, sounds()["bursts"])
    for embeddings, words in (
        (b"", "more embeddings are asked for"),
        (bytes(10_000), "holds more embeddings"),
    ):
        with pytest.raises(CheckError, match=words):
            run_on_host(sanitized, system, [StreamRecording(samples, embeddings)], built)


def test_a_job_file_that_is_none_is_refused(
    sanitized: HostProcess, system: StreamSystem, built: Path, tmp_path: Path
) -> None:
    run_on_host(sanitized, system, [], built)
    program = system_folder(system, built)[0] / "host" / "stream_job"
    good = write_job([StreamRecording(np.zeros(100, np.int16), b"")], 0)
    huge = b"ESERSTJ1" + struct.pack("<3I", 0, 1, 2**32 - 1)
    for data in (b"", b"ESERSTJ2" + good[8:], good[:-1], good + b"\0", huge):
        (tmp_path / "job.bin").write_bytes(data)
        with pytest.raises(CheckError, match="status 2: front-end job: "):
            run([str(program), "job.bin", "result.bin"], tmp_path, 30)


def test_a_result_file_that_is_none_is_refused() -> None:
    good = b"ESERSTR1" + struct.pack("<2I", 9, 1) + b"\0" + bytes(32)
    assert read_results(good, 1).memory_bytes == 9
    endless = good[:16] + b"\x03" + struct.pack("<I", 2**32 - 1)
    for data in (b"", good[:-1], good + b"\0", b"X" + good[1:], endless, good[:16] + b"\x07" + bytes(99)):
        with pytest.raises(CheckError):
            read_results(data, 1)


def test_recordings_that_fit_no_job_are_refused() -> None:
    with pytest.raises(InputError, match="recording 0 is float32"):
        write_job([StreamRecording(np.zeros(3, np.float32), b"")], 0)  # type: ignore[arg-type]  # that is the test


def test_before_frames_wrap_all_is_forgotten(
    sanitized: HostProcess, system: StreamSystem, tmp_path: Path
) -> None:
    place, flags = system_folder(system, tmp_path)
    source = Path(__file__).parent / "listener_check.c"
    program = Program(
        "check",
        (source, *LISTENER, MEMORY, place / "system_data.c"),
        (*C_FLAGS, *INCLUDES, *flags, *SANITIZERS),
        link_flags=SANITIZERS,
    )
    lines = run([str(sanitized.compiler.build(program, place))], tmp_path, 30).splitlines()
    records = [tuple(map(int, line.split())) for line in lines]
    assert [sequence for sequence, _, _ in records] == list(range(len(records)))
    wrapped = next(index for index, (_, _, gap) in enumerate(records) if gap)
    assert records[wrapped][1] == 0, "frames begin anew, and the record says that there was a gap"
    assert records[wrapped - 1][1] > 0xFFFE0000
    assert sum(gap > 0 for _, _, gap in records) == 1


class TestSystemData:
    def test_equal_bundles_give_equal_files(self, bundle: Bundle) -> None:
        files = bundle_files(bundle)
        assert files == bundle_files(read_bundle(shipped_bundle()))
        assert sorted(files) == ["golden_data.c", "golden_data.h", "system_data.c", "system_data.h"]
        for text in files.values():
            assert bundle.build_id in text.splitlines()[1]
            assert str(REPOSITORY) not in text

    def test_it_is_formatted_as_the_rest(self, bundle: Bundle, tmp_path: Path) -> None:
        formatter = shutil.which("clang-format", path=str(Path(sys.executable).parent)) or shutil.which(
            "clang-format"
        )
        if formatter is None:
            pytest.skip("clang-format is absent; pip install 'edge-ser[dev]'")
        shutil.copy(REPOSITORY / ".clang-format", tmp_path)
        for name, text in bundle_files(bundle).items():
            (tmp_path / name).write_text(text)
        names = [str(tmp_path / name) for name in bundle_files(bundle)]
        subprocess.run([formatter, "--dry-run", "--Werror", *names], check=True)

    def test_the_golden_vectors_compile(self, bundle: Bundle, sanitized: HostProcess, tmp_path: Path) -> None:
        for name, text in bundle_files(bundle).items():
            (tmp_path / name).write_text(text)
        source = tmp_path / "print.c"
        source.write_text(
            '#include <stdio.h>\n#include "golden_data.h"\n'
            'int main(void) { for (int i = 0; i < 46400; ++i) printf("%d ", eser_golden_samples[i]); return 0; }\n'
        )
        program = Program("print", (source, tmp_path / "golden_data.c"), (*C_FLAGS, f"-I{tmp_path}"))
        printed = run([str(sanitized.compiler.build(program, tmp_path))], tmp_path, 30)
        assert (np.array(printed.split(), int) == bundle.array("golden/samples.npy")).all()

    def test_too_little_room_is_an_error_of_the_compiler(
        self, system: StreamSystem, sanitized: HostProcess, tmp_path: Path
    ) -> None:
        place, flags = system_folder(system, tmp_path)
        small = tuple(flag.replace("=512", "=256") for flag in flags)
        program = Program("small", (place / "system_data.c",), (*C_FLAGS, *INCLUDES, *small))
        with pytest.raises(CheckError, match="define ESER_MAX_FFT_SIZE as 512"):
            sanitized.compiler.compile(place / "system_data.c", program, place)


def test_the_tool_compares_recordings(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    files = sorted(shared_data("EMO-DB").rglob("*.flac"))[:2]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    command = [
        sys.executable,
        str(REPOSITORY / "tools" / "compare_stream.py"),
        "--json",
        "--no-m7",
        *map(str, files),
    ]
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler; install gcc")
    done = subprocess.run([*command, str(broken)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    report = json.loads(done.stdout)
    assert report["recordings"] == 2
    assert len(report["unread"]) == 1
    assert {count["differences"] for count in report["counts"]} == {0}
    assert {count["setting"] for count in report["counts"]} == {"own", "overlapping", "short"}
