"""A corpus recorded again through a loudspeaker and a microphone: same layout, same names, another sound.

The source is only read. What is done already is not done again: every take writes its recordings and its lines of the
report before the next one is played.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from edge_ser.acoustics import Samples, change_gain
from edge_ser.audio import audio_info, read_audio, write_wav
from edge_ser.channel.devices import Device
from edge_ser.channel.takes import FULL_SCALE, Heard, cut_take, make_take
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.tree import ANY_AUDIO_EXTENSIONS
from edge_ser.errors import CheckError, InputError
from edge_ser.files import read_json, reason, replacing, sha256_hex, write_json

REPORT: Final = "rerecording.json"
TAKE_S: Final = 60.0
_TRIES: Final = 3
_LARGEST_TABLE: Final = 20_000_000
_CLIPPED_SHARE: Final = 1e-4
_LOW_SNR_DB: Final = 10.0
_LATE_MS: Final = 5.0


@dataclass(frozen=True)
class Plan:
    """What is recorded again.

    Attributes:
        corpus: name of the layout.
        root: its folder; only read.
        output: folder that takes the recordings; not in, above or the same as ``root``.
        rate_hz: of playing and recording, and of the recordings.
        gain_db: how much louder than in the files everything is played.
        take_s: sound in one take, seconds.
        keep: folder that takes what was played and recorded, whole takes; ``None`` for nowhere.
    """

    corpus: str
    root: Path
    output: Path
    rate_hz: int
    gain_db: float = 0.0
    take_s: float = TAKE_S
    keep: Path | None = None


@dataclass(frozen=True)
class FileReport:
    """One recording.

    Attributes:
        source: SHA-256 of the file that was played.
        seconds: length.
        snr_db: its active frames over the noise; ``None`` where either is silent.
        clipped: share of samples at full scale.
        lag_ms: how late it still is.
        delay_ms: of its take.
        drift_ppm: of its take.
        likeness: correlation coefficient of its take's less clear sync sweep, 0 to 1.
    """

    source: str
    seconds: float
    snr_db: float | None
    clipped: float
    lag_ms: float
    delay_ms: float
    drift_ppm: float
    likeness: float

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words."""
        found = []
        if self.clipped > _CLIPPED_SHARE:
            found.append(f"clipped ({100 * self.clipped:.2f} % of its samples): turn the level down")
        if self.snr_db is not None and self.snr_db < _LOW_SNR_DB:
            found.append(f"only {self.snr_db:.0f} dB above the noise")
        if abs(self.lag_ms) > _LATE_MS:
            found.append(f"{self.lag_ms:+.1f} ms off its place: samples were lost in its take")
        return tuple(found)


def rerecord(plan: Plan, device: Device, tell: Callable[[str], None]) -> dict[str, FileReport]:
    """Record a corpus again, or go on where an earlier run stopped.

    Args:
        plan: what and where to.
        device: plays and records.
        tell: says one line.

    Returns:
        By path relative to the root, what is said of each recording; all that are there, earlier ones too.

    Raises:
        InputError: source and output are not apart, or the output holds recordings made in another way.
        CheckError: a take failed three times; what was recorded before is kept.
        MissingError: the device or the corpus is not there.
    """
    root, output = plan.root.resolve(), plan.output.resolve()
    if root == output or root in output.parents or output in root.parents:
        message = f"--output {plan.output}: lies in, above or at the source {plan.root}; name a folder apart from it"
        raise InputError(message)
    files = sorted({clip.path for clip in read_clips(plan.corpus, root)})
    done = _done(plan, device, output)
    _copy_tables(root, output)
    waiting = [file for file in files if not _is_done(file, root, output, done)]
    tell(f"{len(files)} recordings, {len(files) - len(waiting)} of them done before; {device.name}")
    for number, group in enumerate(_groups(waiting, plan, device), start=1):
        sounds = [change_gain(read_audio(file, plan.rate_hz), plan.gain_db) for file in group]
        for file, sound in zip(group, sounds, strict=True):
            if int((np.abs(sound.astype(np.int32)) >= FULL_SCALE).sum()) > _CLIPPED_SHARE * len(sound):
                tell(
                    f"{file.name}: played at full scale already; --gain-db {plan.gain_db:g} is too much for it"
                )
        heard = _play(plan, device, sounds, tell, number)
        for file, cut in zip(group, heard.cuts, strict=True):
            name = file.relative_to(root).as_posix()
            write_like(output / name, cut.samples, plan.rate_hz)
            done[name] = FileReport(
                source=sha256_hex(file.read_bytes()),
                seconds=round(len(cut.samples) / plan.rate_hz, 4),
                snr_db=cut.snr_db,
                clipped=round(cut.clipped / len(cut.samples), 6),
                lag_ms=cut.lag_ms,
                delay_ms=round(heard.delay_ms, 3),
                drift_ppm=round(heard.drift_ppm, 3),
                likeness=round(heard.likeness, 4),
            )
            for problem in done[name].problems:
                tell(f"{name}: {problem}")
        _write_report(plan, device, output, done)
        tell(
            f"take {number}: {len(group)} recordings, delay {heard.delay_ms:.1f} ms, drift {heard.drift_ppm:+.1f} ppm"
        )
    _write_report(plan, device, output, done)
    return done


def write_like(path: Path, samples: Samples, rate_hz: int) -> None:
    """Write 16-bit mono in the format that the name's ending says: WAV, or FLAC and the like.

    Args:
        path: the file.
        samples: int16 (samples,).
        rate_hz: their rate.

    Raises:
        InputError: the place cannot be written, or the ending says no format that can be.
    """
    if path.suffix.lower() == ".wav":
        write_wav(path, samples, rate_hz)
        return
    form = path.suffix[1:].upper()
    if not soundfile.check_format(form):
        message = f"{path}: {path.suffix} cannot be written; give the source as WAV or FLAC"
        raise InputError(message)
    with replacing(path) as beside:
        soundfile.write(str(beside), samples, rate_hz, format=form)


def _play(
    plan: Plan, device: Device, sounds: Sequence[Samples], tell: Callable[[str], None], number: int
) -> Heard:
    take = make_take(sounds, plan.rate_hz)
    problem = ""
    for attempt in range(1, _TRIES + 1):
        recording = device.play_and_record(take.samples, plan.rate_hz)
        if plan.keep is not None:
            write_wav(plan.keep / f"take-{number:04d}-played.wav", take.samples, plan.rate_hz)
            write_wav(plan.keep / f"take-{number:04d}-recorded.wav", recording, plan.rate_hz)
        try:
            return cut_take(take, recording)
        except CheckError as error:
            problem = str(error)
            tell(f"take {number}, try {attempt}: {problem}")
    message = f"take {number}, tried {_TRIES} times: {problem}; run it again to go on from here"
    raise CheckError(message)


def _groups(files: Sequence[Path], plan: Plan, device: Device) -> Iterator[list[Path]]:
    """Files that are played in one take."""
    most = min(plan.take_s, device.longest_s)
    group: list[Path] = []
    held = 0.0
    for file in files:
        seconds = audio_info(file).duration_s
        if seconds > device.longest_s:
            message = f"{file}: lasts {seconds:.0f} s; {device.name} records {device.longest_s:.0f} s at once: cut it"
            raise InputError(message)
        if group and held + seconds > most:
            yield group
            group, held = [], 0.0
        group.append(file)
        held += seconds
    if group:
        yield group


def _settings(plan: Plan, device: Device) -> dict[str, Any]:
    """What must not change between two runs into one folder."""
    return {
        "corpus": plan.corpus,
        "device": device.name,
        "rate_hz": plan.rate_hz,
        "gain_db": plan.gain_db,
    }


def _done(plan: Plan, device: Device, output: Path) -> dict[str, FileReport]:
    if not (output / REPORT).exists():
        if output.is_dir() and any(output.iterdir()):
            message = f"--output {plan.output}: holds files that are no re-recording; name an empty folder"
            raise InputError(message)
        return {}
    told = read_json(output / REPORT)
    settings = _settings(plan, device)
    if told.get("settings") != settings:
        message = f"{output / REPORT}: made with {told.get('settings')}; now {settings}: name another folder"
        raise InputError(message)
    try:
        return {name: FileReport(**row) for name, row in told["files"].items()}
    except (KeyError, TypeError, AttributeError):
        message = f"{output / REPORT}: is no report of a re-recording; name another folder"
        raise InputError(message) from None


def _is_done(file: Path, root: Path, output: Path, done: dict[str, FileReport]) -> bool:
    """Whether its recording is there, made from the file as it is now."""
    name = file.relative_to(root).as_posix()
    report = done.get(name)
    return report is not None and (output / name).is_file() and report.source == sha256_hex(file.read_bytes())


def _copy_tables(root: Path, output: Path) -> None:
    """The corpus' own tables, without which its layout cannot be read: all that is no audio and not huge."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix.lower() in ANY_AUDIO_EXTENSIONS:
            continue
        place = output / path.relative_to(root)
        if place.exists() or path.stat().st_size > _LARGEST_TABLE:
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as beside:
                shutil.copyfile(path, beside)
        except OSError as error:
            message = f"{place}: cannot be written ({reason(error)}); choose a place that can"
            raise InputError(message) from None


def _write_report(plan: Plan, device: Device, output: Path, done: dict[str, FileReport]) -> None:
    rows = {name: asdict(done[name]) for name in sorted(done)}
    write_json(output / REPORT, {"settings": _settings(plan, device), "files": rows})


def summary(done: dict[str, FileReport]) -> dict[str, Any]:
    """What is said of all recordings: counts, and the worst and the middle of the figures."""
    ratios = np.array([row.snr_db for row in done.values() if row.snr_db is not None])
    return {
        "recordings": len(done),
        "seconds": round(sum(row.seconds for row in done.values()), 2),
        "snr_db": None
        if not ratios.size
        else [round(float(v), 1) for v in np.percentile(ratios, (0, 50, 100))],
        "clipped": sum(row.clipped > _CLIPPED_SHARE for row in done.values()),
        "largest_lag_ms": max((abs(row.lag_ms) for row in done.values()), default=0.0),
        "drift_ppm": sorted({row.drift_ppm for row in done.values()}),
        "problems": sum(bool(row.problems) for row in done.values()),
    }
