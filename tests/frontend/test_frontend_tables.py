"""The tables: right by independent formulas, the same on every machine, and refused when tampered with."""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import InputError
from edge_ser.frontend import design, exact
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec

LOUD = FrontendSpec(
    feature_low=180, feature_high=945, noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True)
)


def within_one_ulp(value: float, library: float) -> bool:
    return abs(value - library) <= math.ulp(library)


@given(st.floats(-7, 7))
def test_cosine_is_next_to_the_librarys(angle: float) -> None:
    assert within_one_ulp(exact.cos(angle), math.cos(angle))


@given(st.floats(0, 1e6), st.floats(1e-3, 1e9), st.floats(-2, 2))
def test_logarithm_and_power_are_next_to_the_librarys(value: float, base: float, exponent: float) -> None:
    assert within_one_ulp(exact.log1p(value), math.log1p(value))
    assert within_one_ulp(exact.power(base, exponent), math.pow(base, exponent))


@pytest.mark.parametrize("points", [64, 128, 256, 512])
def test_twiddles_are_kissffts(points: int) -> None:
    def rounded(phase: float) -> list[int]:
        return [math.floor(0.5 + 32767 * math.cos(phase)), math.floor(0.5 + 32767 * math.sin(phase))]

    full = [rounded(-2 * math.pi * k / points) for k in range(points)]
    split = [rounded(-math.pi * ((k + 1) / points + 0.5)) for k in range(points // 2)]
    assert design.fft_twiddles(points).tolist() == full
    assert design.real_fft_twiddles(points).tolist() == split


@pytest.mark.parametrize("size", [80, 160, 400, 480, 512, 1024])
def test_window_is_a_hann_window(size: int) -> None:
    ideal = 4096 * np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    assert np.abs(design.hann_window(size) - ideal).max() <= 0.51


def test_log_table_is_the_concave_part_of_log2() -> None:
    x = np.arange(129) / 128
    assert np.array_equal(design.log_table(), np.round(65536 * (np.log2(1 + x) - x)))


def test_a_bin_gives_all_of_itself_to_its_two_triangles() -> None:
    bank = design.filter_bank(16_000, 512, 40, 80.0, 7500.0)
    total = bank.weights.astype(int) + bank.unweights
    assert set(total.tolist()) <= {4096, 4097}  # both are rounded up where they end in a half
    assert bank.edges[0] * 31.25 >= 80
    assert (bank.edges[-1] - 1) * 31.25 <= 7500


def test_triangles_peak_at_equal_mel_distances() -> None:
    bank = design.filter_bank(16_000, 1024, 20, 0.0, 8000.0)
    mel = 1127 * np.log1p(np.arange(513) * 16_000 / 1024 / 700)
    centres = np.linspace(0, 1127 * math.log1p(8000 / 700), 22)
    for band in range(21):
        inside = mel[bank.edges[band] : bank.edges[band + 1]]
        assert np.all(inside > centres[band] - 1e-3)
        assert np.all(inside <= centres[band + 1] + 1e-3)


def test_gain_falls_with_the_noise() -> None:
    gains = design.gain_table(strength=0.95, offset=80.0, gain_bits=21, input_bits=7)[:, 0]
    assert np.all(np.diff(gains.astype(int)) <= 0)
    noise = 2.0 ** (np.arange(8, 33) - 1) / 2**7
    assert np.abs(gains[8:] - 2**21 * (noise + 80) ** -0.95).max() <= 0.51


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pcan": PcanSpec(True, gain_bits=14)}, "frontend.pcan.gain_bits is 14; rule: at least 15"),
        ({"noise_reduction": NoiseReductionSpec(smoothing_bits=2)}, "smoothing_bits is 2; rule: at least 3"),
        ({"pcan": PcanSpec(True, strength=2.0, offset=0.01)}, "frontend.pcan.strength is 2.0"),
    ],
)
def test_what_pcan_cannot_do_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_tables(dataclasses.replace(LOUD, **change))


def test_tables_are_the_same_on_every_machine() -> None:
    """Shipped bundles name this hash; a machine, a Python or a NumPy that makes other integers fails here."""
    assert make_tables(LOUD).sha256 == "5b303d26582badb700052d028926a8d1ca1142ef5a11365ace8a9616df0ef623"


def test_tables_survive_a_file() -> None:
    tables = make_tables(LOUD)
    file = io.BytesIO()
    np.savez(file, **tables.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = FrontendTables.from_arrays(dict(arrays))
    assert again.sha256 == tables.sha256
    assert again.pcan is True


def test_every_table_is_hashed() -> None:
    tables = make_tables(LOUD)
    seen = {tables.sha256}
    for name, array in tables.to_arrays().items():
        changed = array.copy()
        # The largest value minus one stays inside every range but a flag's and the ladder of the edges.
        place = np.unravel_index(np.argmax(changed), changed.shape)
        changed[place] = changed[place] - 1
        if name in ("channels", "window_samples", "band_edges"):
            continue  # these also fix the shape of others
        seen.add(FrontendTables.from_arrays(tables.to_arrays() | {name: changed}).sha256)
    assert len(seen) == len(tables.to_arrays()) - 3 + 1


def hostile_arrays() -> list[tuple[str, str, object]]:
    arrays = make_tables(LOUD).to_arrays()
    cases: list[tuple[str, str, object]] = []
    for name, array in arrays.items():
        cases.append((name, "float", array.astype(np.float64)))
        cases.append((name, "longer", np.concatenate([array.reshape(-1)] * 2)))
        cases.append((name, "empty", array.reshape(-1)[:0]))
        if name != "log_table":  # any uint16 is a legal log value
            cases.append((name, "lowest", np.full_like(array, np.iinfo(array.dtype).min)))
        if name not in ("log_table", "gain_table", "twiddles", "real_twiddles"):
            cases.append((name, "highest", np.full_like(array, np.iinfo(array.dtype).max)))
    cases.append(("band_edges", "descending", arrays["band_edges"][::-1].copy()))
    cases.append(("step_samples", "beyond the window", np.array(481, np.int32)))
    cases.append(("feature_high", "below low", np.array(180, np.int32)))
    cases.append(("window", "objects", arrays["window"].astype(object)))
    return cases


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param(n, v, id=f"{n}-{what}") for n, what, v in hostile_arrays()]
)
def test_a_tampered_table_is_refused_by_name(name: str, value: np.ndarray) -> None:
    arrays = make_tables(LOUD).to_arrays() | {name: value}
    with pytest.raises(InputError, match=r"front-end tables: '\w+' (is|has|holds|are) "):
        FrontendTables.from_arrays(arrays)


def test_a_missing_or_unknown_table_is_refused_by_name() -> None:
    arrays = make_tables(LOUD).to_arrays()
    with pytest.raises(InputError, match="'bonus' is unknown"):
        FrontendTables.from_arrays(arrays | {"bonus": np.zeros(3, np.int16)})
    del arrays["window"]
    with pytest.raises(InputError, match="'window' is missing"):
        FrontendTables.from_arrays(arrays)


def test_tables_cannot_be_changed() -> None:
    tables = make_tables(LOUD)
    with pytest.raises(ValueError, match="read-only"):
        tables.window[0] = 1
