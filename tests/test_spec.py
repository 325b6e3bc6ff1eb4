from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import InputError
from edge_ser.spec import EMOTIONS, FrontendSpec, SystemSpec
from edge_ser.spec_file import load_spec, spec_from_dict

MODELS = Path(__file__).resolve().parents[1] / "models"

LEAST: dict[str, Any] = {
    "name": "least",
    "keyword": {"words": ["yes"]},
    "acoustic": {"classes": ["anger", "neutral"]},
}


def _with(key: str, value: object) -> dict[str, Any]:
    """The least spec with one dotted key set."""
    data = json.loads(json.dumps(LEAST))
    *tables, last = key.split(".")
    table = data
    for name in tables:
        table = table.setdefault(name, {})
    table[last] = value
    return data


def _refused(data: Mapping[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        spec_from_dict(data, source="x.toml")
    text = str(caught.value)
    assert text.startswith("x.toml: ")
    assert "\n" not in text
    return text


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


class TestFiles:
    @pytest.mark.parametrize("path", sorted(MODELS.glob("*.toml")), ids=lambda path: path.stem)
    def test_every_spec_that_ships_is_valid(self, path: Path) -> None:
        spec = load_spec(path)
        assert spec.name == path.stem
        assert spec.budget.compiled_bytes <= 1_800_000
        assert spec.keyword_starts

    def test_the_specs_of_the_plan_ship(self) -> None:
        assert {"base.toml", "tiny.toml"} <= {path.name for path in MODELS.glob("*.toml")}

    def test_an_extending_file_changes_only_what_it_names(self) -> None:
        base, tiny = load_spec(MODELS / "base.toml"), load_spec(MODELS / "tiny.toml")
        assert tiny.keyword.words == base.keyword.words
        assert tiny.frontend == base.frontend
        assert tiny.acoustic.classes == base.acoustic.classes
        assert tiny.acoustic.dim < base.acoustic.dim

    def test_extending_over_two_files(self, tmp_path: Path) -> None:
        _write(
            tmp_path / "a.toml",
            'name = "a"\n[keyword]\nwords = ["yes"]\n[acoustic]\nclasses = ["calm", "fear"]\ndim = 8\n',
        )
        _write(tmp_path / "b.toml", 'extends = "a.toml"\n[acoustic]\ndim = 12\nblocks = 3\n')
        spec = load_spec(
            _write(tmp_path / "c.toml", 'extends = "b.toml"\nname = "c"\n[acoustic]\nblocks = 5\n')
        )
        assert (spec.name, spec.keyword.words, spec.acoustic.classes) == ("c", ("yes",), ("calm", "fear"))
        assert (spec.acoustic.dim, spec.acoustic.blocks) == (12, 5)

    @pytest.mark.parametrize(
        "texts", [('extends = "a.toml"',), ('extends = "b.toml"', 'extends = "./a.toml"')]
    )
    def test_a_circle_is_told(self, tmp_path: Path, texts: tuple[str, ...]) -> None:
        for name, text in zip(("a.toml", "b.toml"), texts, strict=False):
            _write(tmp_path / name, text)
        with pytest.raises(InputError, match="circle"):
            load_spec(tmp_path / "a.toml")

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        broken = _write(tmp_path / "broken.toml", "name = \n")
        latin = tmp_path / "latin.toml"
        latin.write_bytes('name = "ü"'.encode("latin-1"))
        orphan = _write(tmp_path / "orphan.toml", 'extends = "none.toml"')
        cases = [
            (broken, str(broken), "not valid TOML"),
            (latin, str(latin), "UTF-8"),
            (tmp_path, str(tmp_path), "cannot be read"),
            (orphan, str(tmp_path / "none.toml"), "no such spec file"),
        ]
        for path, named, found in cases:
            with pytest.raises(InputError, match=found) as caught:
                load_spec(path)
            assert str(caught.value).startswith(named)
            assert "\n" not in str(caught.value)

    def test_extends_must_be_a_name(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="key 'extends' is 3"):
            load_spec(_write(tmp_path / "x.toml", "extends = 3"))

    def test_an_error_names_the_file(self, tmp_path: Path) -> None:
        _write(tmp_path / "base.toml", (MODELS / "base.toml").read_text(encoding="utf-8"))
        path = _write(tmp_path / "x.toml", 'extends = "base.toml"\n[keyword]\nwidth = 7\n')
        with pytest.raises(InputError, match=r"x\.toml: key 'keyword\.width' is 7; rule: a multiple of 4"):
            load_spec(path)

    def test_changes_stand_instead_of_what_the_file_says(self) -> None:
        changes = (
            "acoustic.mixing=none",
            "acoustic.stem = [16, 32]",
            'acoustic.pooling="attention"',
            "training.acoustic.augment.mixup=0",
        )
        file, changed = load_spec(MODELS / "base.toml"), load_spec(MODELS / "base.toml", changes)
        assert (file.acoustic.mixing, changed.acoustic.mixing, changed.acoustic.pooling) == (
            "gated",
            "none",
            "attention",
        )
        assert changed.acoustic.stem == (16, 32)
        assert changed.training.acoustic.augment.mixup == 0
        assert changed.acoustic.dim == file.acoustic.dim

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            (("acoustic.mixing",), "'acoustic.mixing' changes nothing; expected KEY=VALUE"),
            (("=3",), "changes nothing"),
            (("acoustic.dim = 8\n[keyword]",), "changes nothing"),
            (("acoustic.dim=8", "acoustic.dim=12"), "acoustic.dim was changed already"),
            (
                ("acoustic.dim=7",),
                r"base\.toml with acoustic\.dim=7: key 'acoustic\.dim' is 7; rule: a multiple of 4",
            ),
            (("acoustic.colour=red",), "unknown key 'acoustic.colour'"),
        ],
    )
    def test_a_change_that_is_none_or_breaks_a_rule_is_named(
        self, changes: tuple[str, ...], told: str
    ) -> None:
        with pytest.raises(InputError, match=told):
            load_spec(MODELS / "base.toml", changes)


class TestStrictness:
    def test_the_least_spec_is_enough(self) -> None:
        assert spec_from_dict(LEAST).name == "least"

    @pytest.mark.parametrize(
        "key",
        [
            "colour",
            "frontend.windowms",
            "frontend.pcan.strenght",
            "keyword.word",
            "acoustic.classs",
            "training.keyword.augment.speedup",
            "corpora.synthetic.voice",
        ],
    )
    def test_an_unknown_key_is_named(self, key: str) -> None:
        assert f"unknown key '{key}'" in _refused(_with(key, 1))

    @pytest.mark.parametrize("key", ["name", "keyword", "acoustic"])
    def test_a_missing_key_is_named(self, key: str) -> None:
        text = _refused({name: value for name, value in LEAST.items() if name != key})
        assert f"key '{key}' is missing" in text

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("frontend.window_ms", "30"),
            ("frontend.window_ms", 30.0),
            ("frontend.window_ms", True),
            ("frontend.lower_hz", "80"),
            ("frontend.pcan.enabled", 1),
            ("keyword.words", "yes"),
            ("keyword.words", [1]),
            ("acoustic.stem", [32, "48"]),
            ("acoustic.mixing", "magic"),
            ("acoustic.gates", "open"),
            ("fusion.penalties", 0.1),
            ("training", 3),
            ("budget", []),
            ("name", 5),
        ],
    )
    def test_a_wrong_type_is_named(self, key: str, value: object) -> None:
        text = _refused(_with(key, value))
        assert f"'{key}" in text
        assert "rule:" in text

    @pytest.mark.parametrize("value", [[5.0], [5.0, 10.0, 25.0]])
    def test_a_pair_has_two(self, value: list[float]) -> None:
        assert "training.keyword.augment.noise_snr_db" in _refused(
            _with("training.keyword.augment.noise_snr_db", value)
        )

    def test_a_whole_number_will_do_for_a_float(self) -> None:
        assert spec_from_dict(_with("frontend.upper_hz", 7000)).frontend.upper_hz == 7000.0


IMPOSSIBLE: list[tuple[str, object]] = [
    ("name", ""),
    ("name", "Base"),
    ("name", "../base"),
    ("name", "base\n"),
    ("frontend.sample_rate_hz", 44_100),
    ("frontend.window_ms", 9),
    ("frontend.window_ms", 65),
    ("frontend.step_ms", 0),
    ("frontend.step_ms", 31),
    ("frontend.channels", 0),
    ("frontend.channels", 81),
    ("frontend.lower_hz", -1.0),
    ("frontend.lower_hz", 7500.0),
    ("frontend.upper_hz", 8000.5),
    ("frontend.feature_low", -1),
    ("frontend.feature_low", 65_535),
    ("frontend.feature_high", 65_536),
    ("frontend.noise_reduction.smoothing_bits", 15),
    ("frontend.noise_reduction.even_smoothing", 1.1),
    ("frontend.noise_reduction.odd_smoothing", -0.1),
    ("frontend.noise_reduction.min_signal_remaining", 2.0),
    ("frontend.pcan.strength", -1.0),
    ("frontend.pcan.offset", 0.0),
    ("frontend.pcan.gain_bits", 31),
    ("frontend.log.scale_shift", -1),
    ("keyword.words", []),
    ("keyword.words", ["yes", "yes"]),
    ("keyword.words", ["Yes"]),
    ("keyword.words", ["_silence_"]),
    ("keyword.words", ["yes\n"]),
    ("keyword.width", 30),
    ("keyword.width", 0),
    ("keyword.blocks", 0),
    ("keyword.embedding", 33),
    ("keyword.window_s", 0.1),
    ("keyword.window_s", 3.5),
    ("keyword.hop_s", 0.0),
    ("keyword.hop_s", -0.5),
    ("keyword.hop_s", 0.51),
    ("acoustic.classes", ["anger"]),
    ("acoustic.classes", ["anger", "anger"]),
    ("acoustic.classes", ["anger", "joy"]),
    ("acoustic.stem", []),
    ("acoustic.stem", [32, 47]),
    ("acoustic.dim", 98),
    ("acoustic.blocks", -1),
    ("acoustic.embedding", 2),
    ("acoustic.segment_s", 0.4),
    ("acoustic.segment_s", 21.0),
    ("acoustic.hop_s", 0.0),
    ("acoustic.hop_s", 3.1),
    ("acoustic.dropout", 1.0),
    ("fusion.penalties", []),
    ("fusion.penalties", [0.1, 0.0]),
    ("fusion.alignment", -1),
    ("fusion.cross_fit", -2),
    ("fusion.cross_fit", 1),
    ("fusion.cross_fit", 21),
    ("fusion.alignment", 89),
    ("decision.averaging", "median"),
    ("decision.abstain", 1.0),
    ("decision.abstain", 0.5),
    ("training.acoustic.rebalance.epochs", -1),
    ("training.seed", -1),
    ("training.seed", 2**31),
    ("training.keyword.epochs", 0),
    ("training.acoustic.epochs", 0),
    ("training.acoustic.batch_size", 1),
    ("training.keyword.learning_rate", 0.0),
    ("training.acoustic.weight_decay", -1.0),
    ("training.keyword.label_smoothing", 1.0),
    ("training.keyword.augment.copies", -1),
    ("training.acoustic.augment.speed", 0.6),
    ("training.acoustic.augment.gain_db", -1.0),
    ("training.keyword.augment.noise_snr_db", [25.0, 5.0]),
    ("training.keyword.augment.noise_share", 1.1),
    ("training.keyword.augment.room_share", -0.1),
    ("training.keyword.augment.time_shift_s", -1.0),
    ("training.acoustic.augment.time_mask_frames", -1),
    ("training.acoustic.augment.channel_mask", -1),
    ("training.acoustic.augment.mixup", -0.1),
    ("training.acoustic.augment.vtlp", 0.6),
    ("training.acoustic.augment.time_warp_frames", -1),
    ("training.acoustic.augment.time_masks", 0),
    ("training.acoustic.augment.channel_masks", 21),
    ("training.acoustic.augment.energy_mixup", 0.5),
    ("training.acoustic.augment.energy_mixup_snr_db", [5.0, 0.0]),
    ("training.acoustic.augment.energy_mixup_snr_db", [0.0, 61.0]),
    ("training.acoustic.soft_labels", 1.1),
    ("training.keyword.soft_labels", 0.5),
    ("training.acoustic.loss.divergence", 0.0),
    ("training.acoustic.loss.focal", -1.0),
    ("training.acoustic.loss.centre", 101.0),
    ("training.acoustic.loss.contrastive", -0.1),
    ("training.acoustic.loss.focal_gamma", 11.0),
    ("training.acoustic.loss.temperature", 0.0),
    ("quantization.aware_epochs", 0),
    ("quantization.aware_learning_rate", 0.0),
    ("quantization.calibration_segments", 0),
    ("budget.compiled_bytes", -1),
    ("budget.arena_bytes", -1),
    ("budget.latency_ms", -0.5),
    ("budget.int8_drop", -1.0),
    ("corpora.folds", 1),
    ("corpora.test_fold", 4),
    ("corpora.test_fold", -1),
    ("corpora.validation_share", 0.0),
    ("corpora.synthetic.voices", 0),
    ("corpora.synthetic.minutes", 0.0),
]


@pytest.mark.parametrize(("key", "value"), IMPOSSIBLE)
def test_an_impossible_value_names_key_value_and_rule(key: str, value: object) -> None:
    text = _refused(_with(key, value))
    shown = tuple(value) if isinstance(value, list) else value
    # A segment too short for the keyword window is told as a window too long for the segment.
    assert key in text
    assert f"is {shown!r}" in text or key == "acoustic.segment_s"
    assert "rule: " in text


def _refused_for(*settings: tuple[str, object]) -> str:
    """What is said of the least spec with several keys set."""
    data = dict(LEAST)
    for key, value in settings:
        data = _merged(data, _with(key, value))
    return _refused(data)


def _merged(ground: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(ground)
    for key, value in top.items():
        both[key] = _merged(both.get(key, {}), value) if isinstance(value, dict) else value
    return both


def test_attention_is_float_only_and_needs_heads_that_divide() -> None:
    assert spec_from_dict(_with("acoustic.mixing", "attention")).acoustic.mixing == "attention"
    text = _refused_for(("acoustic.mixing", "attention"), ("quantization.aware", True))
    assert "'quantization.aware' is True; rule: false with acoustic.mixing = 'attention'" in text
    text = _refused_for(("acoustic.mixing", "attention"), ("acoustic.dim", 36))
    assert "'acoustic.dim' is 36; rule: a multiple of 16" in text


def test_a_net_that_stays_as_it_starts_needs_a_classifier_and_learns_nothing() -> None:
    still = (("training.acoustic.epochs", 0), ("fusion.probe", True))
    assert spec_from_dict(_merged(_with(*still[0]), _with(*still[1]))).training.acoustic.epochs == 0
    text = _refused_for(*still, ("quantization.aware", True))
    assert "'quantization.aware' is True; rule: false where training.acoustic.epochs is 0" in text
    text = _refused_for(*still, ("training.acoustic.rebalance.epochs", 1))
    assert "'training.acoustic.rebalance' is 1; rule: left out where training.acoustic.epochs is 0" in text
    text = _refused_for(("fusion.probe", True), ("fusion.alignment", 2))
    assert "'fusion.probe' is True; rule: false with fusion.alignment" in text


def test_energies_need_logs() -> None:
    key = "training.acoustic.augment"
    mixed = ((f"{key}.mixup", 0.0), (f"{key}.energy_mixup", 0.5))
    assert "frontend.log.enabled" in _refused_for(*mixed, ("frontend.log.enabled", False))
    data = _merged(_with(*mixed[0]), _with(*mixed[1]))
    assert spec_from_dict(data).training.acoustic.augment.energy_mixup == 0.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "key",
    [
        "frontend.lower_hz",
        "frontend.upper_hz",
        "frontend.pcan.strength",
        "keyword.window_s",
        "keyword.hop_s",
        "acoustic.segment_s",
        "acoustic.hop_s",
        "training.keyword.learning_rate",
        "training.keyword.augment.gain_db",
        "budget.latency_ms",
        "budget.int8_drop",
        "corpora.validation_share",
        "corpora.synthetic.minutes",
    ],
)
def test_what_is_no_number_is_refused(key: str, value: float) -> None:
    assert key in _refused(_with(key, value))


@pytest.mark.parametrize("key", ["fusion.penalties", "training.keyword.augment.noise_snr_db"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused_in_lists(key: str, value: float) -> None:
    assert key in _refused(_with(key, [value, value]))


class TestGeometry:
    def test_samples_and_frames_of_the_base_system(self) -> None:
        spec = load_spec(MODELS / "base.toml")
        # 30 ms and 20 ms at 16 kHz; 2.9 s hold (2900 - 30) / 20 = 143.5, so 144 windows; 0.98 s holds 48.
        assert (spec.frontend.window_samples, spec.frontend.step_samples) == (480, 320)
        assert (spec.segment_samples, spec.segment_frames) == (46_400, 144)
        assert (spec.keyword_samples, spec.keyword_frames) == (15_680, 48)
        assert spec.keyword_starts == (0, 25, 50, 75)

    @pytest.mark.parametrize(("samples", "frames"), [(0, 0), (479, 0), (480, 1), (799, 1), (800, 2)])
    def test_only_whole_windows_are_frames(self, samples: int, frames: int) -> None:
        assert FrontendSpec().frames_in(samples) == frames


@st.composite
def _specs(draw: st.DrawFn) -> SystemSpec:
    step = draw(st.integers(5, 32))
    segment = draw(st.floats(0.5, 20))
    upper = draw(st.floats(100, 3999))
    data = {
        "name": draw(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)),
        "frontend": {
            "sample_rate_hz": draw(st.sampled_from([8000, 16_000])),
            "window_ms": draw(st.integers(max(10, step), 64)),
            "step_ms": step,
            "channels": draw(st.integers(8, 80)),
            "lower_hz": draw(st.floats(0, 99)),
            "upper_hz": upper,
        },
        "keyword": {
            "words": draw(
                st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, unique=True, max_size=5)
            ),
            "width": 4 * draw(st.integers(1, 64)),
            "window_s": draw(st.floats(0.2, segment)),
            "hop_s": step * draw(st.integers(1, 60)) / 1000,
        },
        "acoustic": {
            "classes": draw(st.lists(st.sampled_from(EMOTIONS), min_size=2, unique=True)),
            "segment_s": segment,
            "hop_s": draw(st.floats(0.05, segment)),
        },
        "training": {"seed": draw(st.integers(0, 2**31 - 1))},
        "budget": {"latency_ms": draw(st.floats(0, 1000)), "compiled_bytes": draw(st.integers(0, 10**9))},
    }
    return spec_from_dict(data)


@given(_specs())
def test_a_spec_survives_json(spec: SystemSpec) -> None:
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict(), allow_nan=False))) == spec


@given(_specs())
def test_frames_fit_into_their_samples(spec: SystemSpec) -> None:
    front = spec.frontend
    for samples, frames in (
        (spec.segment_samples, spec.segment_frames),
        (spec.keyword_samples, spec.keyword_frames),
    ):
        assert frames >= 1
        last_end = (frames - 1) * front.step_samples + front.window_samples
        assert last_end <= samples < last_end + front.step_samples


@given(_specs())
def test_every_keyword_window_lies_in_the_segment(spec: SystemSpec) -> None:
    starts = spec.keyword_starts
    assert starts[0] == 0
    hops = {late - early for early, late in pairwise(starts)}
    hop = round(spec.keyword.hop_s * 1000 / spec.frontend.step_ms)
    assert hops <= {hop}
    assert starts[-1] + spec.keyword_frames <= spec.segment_frames
    assert starts[-1] + hop + spec.keyword_frames > spec.segment_frames


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("exponent", 0.0),
        ("exponent", 1.1),
        ("group", "age"),
        ("strength", 4.1),
        ("guiding", 1.1),
        ("guiding", 0.0),
        ("vtlp", 0.6),
        ("vtlp", 0.0),
    ],
)
def test_a_rebalancing_that_cannot_work_is_refused(key: str, value: object) -> None:
    table = "training.acoustic.rebalance"
    text = _refused_for((f"{table}.epochs", 2), (f"{table}.{key}", value))
    assert table in text
    assert "rule: " in text


def test_a_rebalancing_that_does_nothing_is_refused() -> None:
    table = "training.acoustic.rebalance"
    settings = [(f"{table}.epochs", 2), *((f"{table}.{key}", 0.0) for key in ("strength", "guiding", "vtlp"))]
    assert "else nothing is done" in _refused_for(*settings)
    assert "the whole table left out" in _refused(_with(f"{table}.strength", 2.0))
    assert "it is for the acoustic net" in _refused(_with("training.keyword.rebalance.epochs", 2))


def test_abstaining_goes_with_the_rule_in_integers() -> None:
    data = _merged(_with("decision.averaging", "entropy"), _with("decision.abstain", 0.5))
    assert spec_from_dict(data).decision.abstain == 0.5
