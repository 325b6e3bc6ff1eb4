"""The C front end against the NumPy reference: the same integers, whatever the spec, the sound and the chunks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from frontend_cases import frontend_specs
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser.errors import InputError, MissingError
from edge_ser.frontend import engine, native, quantize
from edge_ser.frontend.extension import BUILT, WHY_NOT
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.stream import FrontendStream
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.frontend.torture import torture_set
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec

needs_extension = pytest.mark.skipif(not BUILT, reason=f"the C front end was not built: {WHY_NOT}")

ALL_STAGES_SPEC = FrontendSpec(step_ms=10, noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True))
PLAIN = make_tables(FrontendSpec())
ALL_STAGES = make_tables(ALL_STAGES_SPEC)


def first_difference(tables: FrontendTables, samples: np.ndarray) -> str:
    ours, c = Frontend(tables).process(samples), native.NativeFrontend(tables).process(samples)
    if ours.shape != c.shape:
        return f"shapes {ours.shape} and {c.shape}"
    places = np.argwhere(ours != c)
    return (
        ""
        if len(places) == 0
        else f"{len(places)} differ, first {places[0]}: {ours[tuple(places[0])]} and {c[tuple(places[0])]}"
    )


@needs_extension
@pytest.mark.parametrize("spec", [FrontendSpec(), ALL_STAGES_SPEC], ids=["plain", "all stages"])
def test_torture_set(spec: FrontendSpec) -> None:
    for name, sound in torture_set(spec).items():
        assert first_difference(make_tables(spec), sound) == "", name


@needs_extension
@settings(max_examples=200)
@given(frontend_specs(), st.integers(0, 2**32 - 1), st.sampled_from([1, 30, 1000, 32_767]))
def test_random_specs(spec: FrontendSpec, seed: int, loudest: int) -> None:
    random = np.random.default_rng(seed)
    sounds = list(torture_set(spec).values())
    noise = random.integers(-loudest - 1, loudest + 1, 4000).astype(np.int16)
    sound = np.concatenate([noise, sounds[random.integers(len(sounds))][:4000], noise[::-1]])
    assert first_difference(make_tables(spec), sound) == ""


@needs_extension
@pytest.mark.parametrize("corpus", ["CREMA-D", "EMO-DB", "EmoSpeech", "URDU-Dataset"])
def test_real_recordings(corpus: str, shared_data: Callable[[str], Path]) -> None:
    folder = shared_data(corpus)
    files = sorted([*folder.rglob("*.flac"), *folder.rglob("*.wav")])
    for file in files[:: max(1, len(files) // 25)]:
        samples = soundfile.read(file, dtype="int16", always_2d=True)[0][:, 0].copy()
        for tables in (PLAIN, ALL_STAGES):
            assert first_difference(tables, samples) == "", file


@needs_extension
@settings(max_examples=60)
@given(
    frontend_specs(), st.lists(st.one_of(st.integers(0, 40), st.integers(0, 20_000)), max_size=12), st.data()
)
def test_any_chunks(spec: FrontendSpec, lengths: list[int], data: st.DataObject) -> None:
    samples = np.random.default_rng(len(lengths)).integers(-9000, 9000, sum(lengths)).astype(np.int16)
    whole = Frontend(make_tables(spec)).process(samples)
    c, numpy = native.NativeStream(make_tables(spec)), FrontendStream(make_tables(spec))
    if data.draw(st.booleans()):
        for stream in (c, numpy):
            stream.feed(samples[: len(samples) // 3])
            stream.reset()
    chunks = np.split(samples, np.cumsum(lengths)[:-1]) if lengths else []
    for stream in (c, numpy):
        rows = [stream.feed(chunk) for chunk in chunks]
        assert np.array_equal(np.concatenate([whole[:0], *rows]), whole)


@needs_extension
def test_one_sample_at_a_time() -> None:
    samples = np.random.default_rng(1).integers(-9000, 9000, 3000).astype(np.int16)
    stream = native.NativeStream(ALL_STAGES)
    rows = np.concatenate([stream.feed(samples[i : i + 1]) for i in range(len(samples))])
    assert np.array_equal(rows, Frontend(ALL_STAGES).process(samples))


@needs_extension
def test_batches_and_views() -> None:
    samples = np.random.default_rng(2).integers(-9000, 9000, (5, 24_000)).astype(np.int16)
    frontend, reference = native.NativeFrontend(ALL_STAGES), Frontend(ALL_STAGES)
    assert np.array_equal(frontend.process_batch(samples), reference.process_batch(samples))
    assert np.array_equal(
        frontend.process_batch(samples[::2, ::3]), reference.process_batch(samples[::2, ::3])
    )
    assert np.array_equal(frontend.process(samples[0, ::-1]), reference.process(samples[0, ::-1]))
    assert frontend.process_batch(samples[:0]).shape == (0, *reference.process(samples[0]).shape)


@needs_extension
def test_threads_do_not_disturb_each_other() -> None:
    clips = np.random.default_rng(3).integers(-9000, 9000, (16, 48_000)).astype(np.int16)
    frontend = native.NativeFrontend(ALL_STAGES)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(frontend.process, clips))
    assert np.array_equal(np.stack(rows), Frontend(ALL_STAGES).process_batch(clips))


@needs_extension
@pytest.mark.parametrize(
    "samples", [np.zeros(100), np.zeros((2, 100), np.int16), np.zeros(100, ">i2"), [1, 2, 3]], ids=str
)
def test_other_samples_are_refused(samples: object) -> None:
    with pytest.raises(InputError, match="samples are"):
        native.NativeFrontend(PLAIN).process(samples)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="samples are"):
        native.NativeStream(PLAIN).feed(samples)  # type: ignore[arg-type]


@needs_extension
@given(st.integers(0, 65_534), st.data())
def test_quantiser(low: int, data: st.DataObject) -> None:
    high = data.draw(st.integers(low + 1, 65_535))
    features = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(
        native.quantize_features(features, low, high), quantize.quantize_features(features, low, high)
    )


@needs_extension
def test_the_engine_takes_c() -> None:
    assert isinstance(engine.open_frontend(PLAIN), native.NativeFrontend)
    assert isinstance(engine.open_stream(PLAIN), native.NativeStream)


WITHOUT = """
import sys
sys.modules["edge_ser.frontend._native"] = None
import numpy as np
from edge_ser.errors import MissingError
from edge_ser.frontend import engine, native
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec
tables = make_tables(FrontendSpec())
try:
    native.NativeFrontend(tables)
except MissingError as error:
    print(error)
samples = (np.arange(32000) * 7919 % 20011 - 10005).astype(np.int16).reshape(2, -1)
print(type(engine.open_frontend(tables)).__name__, type(engine.open_stream(tables)).__name__)
print(int(NetInput(tables).features(samples).astype(np.int64).sum()))
"""


def test_without_the_extension_numpy_takes_over() -> None:
    """What a machine without a C compiler has."""
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    why, classes, total = run.stdout.splitlines()
    assert "reinstall edge-ser" in why
    assert classes == "Frontend FrontendStream"
    samples = (np.arange(32_000) * 7919 % 20_011 - 10_005).astype(np.int16).reshape(2, -1)
    expected = quantize.quantize_features(
        Frontend(PLAIN).process_batch(samples), PLAIN.feature_low, PLAIN.feature_high
    )
    assert int(total) == int(expected.astype(np.int64).sum())


def test_a_machine_without_it_says_why() -> None:
    if BUILT:
        assert WHY_NOT == ""
    else:
        with pytest.raises(MissingError, match="C compiler"):
            native.NativeFrontend(PLAIN)
