from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_ser import audio
from edge_ser.audio import Segment, audio_info, read_audio, segments, stream_audio, write_wav
from edge_ser.errors import InputError

RATE = 16_000


def _noise(count: int, seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-32768, 32768, count).astype(np.int16)


def _tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> NDArray[np.float64]:
    times = np.arange(round(seconds * rate)) / rate
    return level * np.sin(2 * np.pi * hertz * times)


def _save(path: Path, samples: NDArray[np.generic], rate: int = RATE, **how: str) -> Path:
    soundfile.write(str(path), samples, rate, **how)
    return path


def _patch(path: Path, at: int, data: bytes) -> Path:
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)
    return path


def _error(path: Path) -> str:
    """The one-line error that reading the file gives."""
    with pytest.raises(InputError) as caught:
        read_audio(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


class TestSamples:
    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("x.wav", {"subtype": "PCM_16"}),
            ("x.flac", {"subtype": "PCM_16"}),
            ("x.aiff", {"subtype": "PCM_16"}),
            ("x.wav", {"subtype": "PCM_24"}),
            ("x.flac", {"subtype": "PCM_24"}),
            ("x.wav", {"subtype": "PCM_32"}),
            ("x.wav", {"format": "WAVEX", "subtype": "PCM_16"}),
            ("x.wav", {"format": "RF64", "subtype": "PCM_16"}),
            ("x.wav", {"subtype": "PCM_16", "endian": "BIG"}),
        ],
    )
    def test_16_bit_samples_come_back_as_they_are(
        self, tmp_path: Path, name: str, how: dict[str, str]
    ) -> None:
        samples = _noise(20_000)
        samples[:4] = [-32768, 32767, 0, -1]
        np.testing.assert_array_equal(read_audio(_save(tmp_path / name, samples, **how)), samples)

    @pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
    def test_16_bit_samples_kept_as_floats_come_back_as_they_were(self, tmp_path: Path, subtype: str) -> None:
        samples = _noise(20_000)
        path = _save(tmp_path / "x.wav", samples / 32768, subtype=subtype)
        np.testing.assert_array_equal(read_audio(path), samples)

    def test_8_bit_is_scaled_to_16(self, tmp_path: Path) -> None:
        samples = (np.arange(256) - 128).astype(np.int16) * 256
        read = read_audio(_save(tmp_path / "x.wav", samples, subtype="PCM_U8"))
        np.testing.assert_array_equal(read, samples)

    def test_24_bit_is_rounded_not_cut(self, tmp_path: Path) -> None:
        values = np.array([0x7F, 0x81, -0x7F, -0x81, 0x17F, 0x181], dtype=np.int32)  # 256 is one 16-bit step
        path = _save(tmp_path / "x.wav", values * 256, subtype="PCM_24")
        assert read_audio(path).tolist() == [0, 1, 0, -1, 1, 2]

    @pytest.mark.parametrize("channels", [2, 6])
    def test_channels_are_averaged(self, tmp_path: Path, channels: int) -> None:
        samples = _noise(9000 * channels).reshape(-1, channels)
        exact = samples.astype(np.int64).sum(axis=1) / channels
        read = read_audio(_save(tmp_path / "x.wav", samples))
        assert np.abs(read - exact).max() <= 0.5

    def test_opposite_channels_cancel(self, tmp_path: Path) -> None:
        left = _noise(5000) // 2
        assert not read_audio(_save(tmp_path / "x.wav", np.stack([left, -left], axis=1))).any()

    def test_float_beyond_full_scale_is_clipped(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.wav", np.array([2.0, -2.0, 1.0, -1.0, 0.5]), subtype="FLOAT")
        assert read_audio(path).tolist() == [32767, -32768, 32767, -32768, 16384]

    @pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
    def test_a_tone_survives_a_change_of_rate(self, tmp_path: Path, rate: int) -> None:
        path = _save(tmp_path / "x.wav", _tone(1.0, rate), rate, subtype="PCM_24")
        read = read_audio(path)
        assert len(read) == RATE
        expected = _tone(1.0, RATE) * 32768
        inner = slice(800, -800)  # a resampler rings where a tone begins and ends
        assert np.abs(read[inner] - expected[inner]).max() <= 1.0

    def test_what_the_new_rate_cannot_hold_is_removed(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.wav", _tone(1.0, 48_000, hertz=11_000), 48_000)
        assert np.abs(read_audio(path)[800:-800]).max() <= 1

    def test_another_target_rate(self, tmp_path: Path) -> None:
        assert len(read_audio(_save(tmp_path / "x.wav", _noise(RATE)), sample_rate_hz=8000)) == 8000

    @pytest.mark.parametrize(("name", "how"), [("x.ogg", {}), ("x.mp3", {})])
    def test_lossy_files_keep_length_and_level(self, tmp_path: Path, name: str, how: dict[str, str]) -> None:
        tone = _tone(2.0, 44_100)
        read = read_audio(_save(tmp_path / name, tone, 44_100, **how))
        assert len(read) == 2 * RATE
        level = np.sqrt(np.mean(np.square(read[1600:-1600] / 32768)))
        assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.02)

    @pytest.mark.parametrize("name", ["x.wav", "x.raw", "x", "x.flac.txt"])
    def test_the_content_counts_not_the_ending(self, tmp_path: Path, name: str) -> None:
        samples = _noise(3000)
        _save(tmp_path / "right.aiff", samples, format="AIFF", subtype="PCM_16")
        (tmp_path / "right.aiff").rename(tmp_path / name)
        np.testing.assert_array_equal(read_audio(tmp_path / name), samples)

    @pytest.mark.parametrize("name", ["a clip - 1.wav", "klänge ün.wav", os.fsdecode(b"caf\xe9.wav")])
    def test_any_file_name(self, tmp_path: Path, name: str) -> None:
        samples = _noise(100)
        path = _save(tmp_path / "x.wav", samples).rename(tmp_path / name)
        np.testing.assert_array_equal(read_audio(path), samples)


class TestStretch:
    def test_a_stretch_is_a_slice(self, tmp_path: Path) -> None:
        samples = _noise(3 * RATE)
        path = _save(tmp_path / "x.flac", samples)
        np.testing.assert_array_equal(read_audio(path, start_s=0.5, end_s=1.25), samples[8000:20_000])
        np.testing.assert_array_equal(read_audio(path, start_s=2.0), samples[32_000:])

    def test_an_end_rounded_up_in_a_label_file_means_the_last_sample(self, tmp_path: Path) -> None:
        samples = _noise(RATE)
        path = _save(tmp_path / "x.wav", samples)
        np.testing.assert_array_equal(read_audio(path, start_s=0.5, end_s=1.02), samples[8000:])

    @pytest.mark.parametrize(
        ("start_s", "end_s"),
        [(-0.1, None), (1.0, None), (0.5, 0.5), (0.5, 0.2), (0.0, 1.5), (float("nan"), None)],
    )
    def test_a_stretch_outside_the_file_is_an_error(
        self, tmp_path: Path, start_s: float, end_s: float | None
    ) -> None:
        path = _save(tmp_path / "x.wav", _noise(RATE))
        with pytest.raises(InputError, match=r"it lasts 1\.000 s"):
            read_audio(path, start_s=start_s, end_s=end_s)


class TestStream:
    @pytest.mark.parametrize(
        ("name", "rate", "channels"),
        [
            ("x.wav", 44_100, 2),
            ("x.flac", 48_000, 1),
            ("x.wav", RATE, 1),
            ("x.ogg", 22_050, 2),
            ("x.wav", 8000, 1),
        ],
    )
    @pytest.mark.parametrize("block_s", [0.013, 0.5, 10.0])
    def test_blocks_together_are_the_whole(
        self, tmp_path: Path, name: str, rate: int, channels: int, block_s: float
    ) -> None:
        samples = _noise(2 * rate * channels).reshape(-1, channels) // 4
        path = _save(tmp_path / name, samples, rate)
        blocks = list(stream_audio(path, block_s=block_s))
        assert all(block.dtype == np.int16 and len(block) for block in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks), read_audio(path))
        assert len(blocks) > 1 or block_s == 10.0

    def test_a_long_file_takes_bounded_memory(self, tmp_path: Path) -> None:
        rate, minutes = 44_100, 3
        with soundfile.SoundFile(str(tmp_path / "x.wav"), "w", rate, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(np.full((60 * rate, 2), 1000, np.int16))
        tracemalloc.start()
        total = sum(len(block) for block in stream_audio(tmp_path / "x.wav", block_s=1.0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == minutes * 60 * RATE
        assert peak < 8 * 2**20  # the file is 32 MB, and 127 MB once decoded

    def test_channels_do_not_multiply_the_memory(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.wav", np.zeros((RATE, 500), np.int16))
        tracemalloc.start()
        blocks = list(stream_audio(path))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(map(len, blocks)) == RATE
        assert peak < 32 * 2**20  # 64 MB decoded at once


class TestInfo:
    def test_it_says_what_the_header_says(self, tmp_path: Path) -> None:
        info = audio_info(_save(tmp_path / "x.wav", np.zeros((11_025, 2)), 44_100, subtype="PCM_24"))
        assert info == audio.AudioInfo(duration_s=0.25, sample_rate_hz=44_100, channels=2, subtype="PCM_24")

    def test_it_refuses_what_reading_refuses(self, tmp_path: Path) -> None:
        (tmp_path / "x.wav").write_bytes(b"")
        with pytest.raises(InputError, match="empty"):
            audio_info(tmp_path / "x.wav")


class TestBadFiles:
    def test_missing(self, tmp_path: Path) -> None:
        assert "No such file" in _error(tmp_path / "none.wav")

    def test_a_part_of_the_path_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        assert "Not a directory" in _error(tmp_path / "file" / "x.wav")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "x.wav").write_bytes(b"")
        assert "empty (0 bytes)" in _error(tmp_path / "x.wav")

    def test_folder(self, tmp_path: Path) -> None:
        assert "a folder" in _error(tmp_path)

    def test_a_pipe_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "x.wav")
        assert "a device" in _error(tmp_path / "x.wav")

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = _save(tmp_path / "x.wav", _noise(100))

        def refuse(name: Path) -> None:
            raise PermissionError(13, "Permission denied", str(name))

        # The superuser, as whom tests often run, may read everything.
        monkeypatch.setattr(audio, "_AudioFile", refuse)
        assert "Permission denied" in _error(path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
    def test_no_permission_for_real(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.wav", _noise(100))
        path.chmod(0)
        assert "Permission denied" in _error(path)

    @pytest.mark.parametrize(
        "content", [b"hello, this is text\n" * 50, b"\0" * 5000, b"RIFF", b"fLaC", b"OggS\0\2"]
    )
    def test_not_audio(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x.wav").write_bytes(content)
        assert "not audio" in _error(tmp_path / "x.wav")

    @pytest.mark.parametrize("name", ["x.wav", "x.aiff"])
    def test_no_samples(self, tmp_path: Path, name: str) -> None:
        assert "0 samples" in _error(_save(tmp_path / name, np.zeros(0, np.int16)))

    def test_too_few_samples_for_one_at_the_new_rate(self, tmp_path: Path) -> None:
        assert "give none" in _error(_save(tmp_path / "x.wav", np.zeros(1, np.int16), 192_000))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
    def test_values_that_are_no_sound(self, tmp_path: Path, value: float) -> None:
        samples = _tone(1.0, RATE)
        samples[8000] = value
        assert "NaN" in _error(_save(tmp_path / "x.wav", samples, subtype="FLOAT"))

    @pytest.mark.parametrize("rate", [1, 999, 768_001, 2_000_000_000])
    def test_absurd_sample_rate(self, tmp_path: Path, rate: int) -> None:
        path = _patch(_save(tmp_path / "x.wav", _noise(100)), 24, struct.pack("<I", rate))
        assert "sample rate" in _error(path)

    @pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.aiff", "x.mp3"])
    @pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
    def test_cut_short(self, tmp_path: Path, name: str, share: float) -> None:
        path = _save(tmp_path / name, _noise(5 * RATE) // 8)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        assert "cut short" in _error(path)

    @pytest.mark.parametrize("format_name", ["WAVEX", "RF64"])
    def test_cut_short_in_the_relatives_of_wav(self, tmp_path: Path, format_name: str) -> None:
        path = _save(tmp_path / "x.wav", _noise(RATE), format=format_name, subtype="PCM_16")
        path.write_bytes(path.read_bytes()[:-1])
        assert "cut short" in _error(path)

    def test_damaged_in_the_middle(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.flac", _noise(5 * RATE))
        _patch(path, path.stat().st_size // 2, b"\xa5" * 64)
        assert "damaged" in _error(path)

    def test_flac_of_unknown_length(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.flac", _noise(RATE))
        # The last 36 bits of bytes 18 to 25 are the total samples (RFC 9639, 8.2); 0 is "unknown".
        _patch(path, 21, bytes([path.read_bytes()[21] & 0xF0, 0, 0, 0, 0]))
        assert "does not say how long it is" in _error(path)

    @settings(max_examples=150, deadline=None)
    @given(at=st.integers(0, 400), value=st.integers(0, 255), name=st.sampled_from(["wav", "flac", "aiff"]))
    def test_a_damaged_byte_gives_samples_or_one_line(
        self, tmp_path_factory: pytest.TempPathFactory, at: int, value: int, name: str
    ) -> None:
        path = tmp_path_factory.mktemp("damaged") / f"x.{name}"
        _patch(_save(path, _noise(400)), at, bytes([value]))
        lines, samples = "", np.zeros(0, np.int16)
        try:
            samples = read_audio(path)
        except InputError as error:
            lines = str(error)
        assert (samples.dtype == np.int16 and samples.size) or lines.startswith(f"{path}: ")
        assert "\n" not in lines


class TestWavOfUnknownLength:
    """Recorders that write to a pipe cannot go back and fill in the size."""

    @pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x7FFFF000, 0])
    @pytest.mark.parametrize("rate", [RATE, 44_100])
    def test_it_is_read_to_the_end(self, tmp_path: Path, size: int, rate: int) -> None:
        path = _save(tmp_path / "x.wav", _noise(rate), rate)
        expected = read_audio(path)
        _patch(path, 40, struct.pack("<I", size))
        _patch(path, 4, struct.pack("<I", size))
        assert audio_info(path).duration_s == 1.0
        np.testing.assert_array_equal(read_audio(path), expected)
        np.testing.assert_array_equal(np.concatenate(list(stream_audio(path, block_s=0.1))), expected)

    def test_a_finished_empty_file_with_notes_behind_stays_empty(self, tmp_path: Path) -> None:
        path = _save(tmp_path / "x.wav", np.zeros(0, np.int16))
        content = path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO"
        path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
        assert "0 samples" in _error(path)

    def test_notes_before_the_samples(self, tmp_path: Path) -> None:
        samples = _noise(1000)
        content = _save(tmp_path / "x.wav", samples).read_bytes()
        notes = b"LIST" + struct.pack("<I", 5) + b"INFO!\0"  # an odd size is padded
        path = tmp_path / "noted.wav"
        path.write_bytes(content[:36] + notes + content[36:])
        np.testing.assert_array_equal(read_audio(path), samples)
        path.write_bytes(path.read_bytes()[:-2])
        assert "cut short" in _error(path)


def _cut(blocks: list[NDArray[np.int16]], length: int, hop: int, tail: int | None = 0) -> list[Segment]:
    return list(segments(blocks, length, hop, RATE, tail))


class TestSegments:
    def test_shorter_than_one(self) -> None:
        (only,) = _cut([_noise(3)], 10, 10, tail=8)
        assert only.samples.tolist() == [*_noise(3).tolist(), *[0] * 7]
        assert (only.start_s, only.end_s) == (0.0, 3 / RATE)

    def test_exactly_two(self) -> None:
        first, second = _cut([_noise(20)], 10, 10)
        np.testing.assert_array_equal(np.concatenate([first.samples, second.samples]), _noise(20))
        assert (second.start_s, second.end_s) == (10 / RATE, 20 / RATE)

    def test_a_rest_of_the_least_length_is_kept_and_a_shorter_one_dropped(self) -> None:
        assert len(_cut([_noise(15)], 10, 10, tail=5)) == 2
        assert len(_cut([_noise(14)], 10, 10, tail=5)) == 1

    def test_the_default_least_rest_is_half_a_second(self) -> None:
        second = RATE
        assert len(_cut([_noise(second + 8000)], second, second, tail=None)) == 2
        assert len(_cut([_noise(second + 7999)], second, second, tail=None)) == 1

    def test_only_audio_in_no_segment_yet_counts_as_a_rest(self) -> None:
        # Segments at 0, 4 and 8 of 19 samples: the last ends at 18, one sample is new.
        assert [round(cut.start_s * RATE) for cut in _cut([_noise(19)], 10, 4, tail=2)] == [0, 4, 8]
        last = _cut([_noise(19)], 10, 4, tail=1)[-1]
        assert (round(last.start_s * RATE), round(last.end_s * RATE)) == (12, 19)

    def test_no_audio_no_segment(self) -> None:
        assert _cut([], 10, 10) == []
        assert _cut([_noise(0)], 10, 10) == []

    def test_segments_are_copies(self) -> None:
        block = _noise(20)
        for cut in _cut([block], 10, 10):
            cut.samples[:] = 0
        np.testing.assert_array_equal(block, _noise(20))

    @pytest.mark.parametrize(("length", "hop"), [(0, 1), (1, 0), (-1, 1)])
    def test_impossible_lengths(self, length: int, hop: int) -> None:
        with pytest.raises(InputError, match="at least 1"):
            segments([], length, hop, RATE)

    @given(
        total=st.integers(1, 120),
        length=st.integers(1, 30),
        hop=st.integers(1, 40),
        tail=st.integers(0, 20),
        cuts=st.lists(st.integers(0, 120), max_size=8),
    )
    def test_blocks_of_any_size_give_the_segments_of_the_definition(
        self, total: int, length: int, hop: int, tail: int, cuts: list[int]
    ) -> None:
        samples = np.arange(1, total + 1, dtype=np.int16)
        blocks = np.split(samples, sorted(min(cut, total) for cut in cuts))
        starts = list(range(0, max(0, total - length + 1), hop))
        after = starts[-1] + hop if starts else 0
        covered = starts[-1] + length if starts else 0
        rest = total - max(after, covered)
        if not starts or rest >= max(1, tail):
            starts.append(after)
        expected = [samples[start : start + length] for start in starts]
        found = _cut(list(blocks), length, hop, tail)
        assert [round(cut.start_s * RATE) for cut in found] == starts
        for cut, want in zip(found, expected, strict=True):
            assert cut.samples.dtype == np.int16
            np.testing.assert_array_equal(cut.samples, np.pad(want, (0, length - len(want))))
            assert round((cut.end_s - cut.start_s) * RATE) == len(want)

    def test_memory_is_bounded_and_segments_come_as_soon_as_they_are_whole(self) -> None:
        given_out = 0

        def endless() -> Iterator[NDArray[np.int16]]:
            nonlocal given_out
            while True:
                given_out += 1600
                yield np.zeros(1600, np.int16)

        cutter = segments(endless(), RATE, RATE, RATE)
        next(cutter)
        assert given_out == RATE
        tracemalloc.start()
        for _ in range(200):
            next(cutter)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20


class TestWriteWav:
    def test_round_trip_and_same_bytes(self, tmp_path: Path) -> None:
        samples = _noise(12_345)
        for name in ("a.wav", "b.wav"):
            write_wav(tmp_path / name, samples, 22_050)
        np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", 22_050), samples)
        assert audio_info(tmp_path / "a.wav").subtype == "PCM_16"
        assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()

    @pytest.mark.parametrize("samples", [np.zeros(4), np.zeros((4, 2), np.int16), np.zeros(4, np.int32)])
    def test_anything_but_int16_mono_is_refused(self, tmp_path: Path, samples: NDArray[np.int16]) -> None:
        with pytest.raises(InputError, match="expected int16"):
            write_wav(tmp_path / "x.wav", samples, RATE)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "corpus", ["CREMA-D", "EMO-DB", "EmoSpeech", "URDU-Dataset", "speech_commands_v0.01", "ESC-10", "RAVDESS"]
)
def test_real_recordings(shared_data: Callable[[str], Path], corpus: str) -> None:
    recordings = sorted(shared_data(corpus).rglob("*.flac"))
    assert recordings
    for path in recordings[:: max(1, len(recordings) // 6)]:
        stored, rate = soundfile.read(str(path), dtype="int16")
        assert rate == RATE
        np.testing.assert_array_equal(read_audio(path), stored)
        assert audio_info(path).duration_s == pytest.approx(len(stored) / RATE)
