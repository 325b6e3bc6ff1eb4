"""The HTML page without a browser: structure, texts for everything seen, escaping, contrast, the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from report_cases import POISON, bench, exam, poisoned, recording, row, training, trial, written

from edge_ser.bundle import read_bundle, write_bundle
from edge_ser.bundle_curves import Curve, Epoch, curve_members
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.errors import InputError
from edge_ser.report.contents import Report
from edge_ser.report.gather import gather
from edge_ser.report.html import MOST_BYTES, html_page
from edge_ser.report.markdown import markdown_report
from edge_ser.report.sources import Sources

VOID = {"meta", "link", "img", "br", "hr", "input", "source"}


@dataclass
class Element:
    """One element; text of its children included."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, tag: str = "") -> Iterator[Element]:
        """Every element below, of one kind if a kind is given."""
        for child in self.children:
            if not tag or child.tag == tag:
                yield child
            yield from child.all(tag)

    def words(self) -> str:
        return " ".join((self.text + " " + " ".join(child.words() for child in self.children)).split())


class Parser(HTMLParser):
    """A tree of elements; a tag that is never closed, or closed twice, is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"<{tag}> says an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].text += data


def parse(data: bytes) -> Element:
    parser = Parser()
    parser.feed(data.decode())
    parser.close()
    assert parser.open == [parser.root]
    return parser.root


@pytest.fixture(scope="module")
def tree(page: Path) -> Element:
    return parse(page.read_bytes())


def test_the_page_is_one_document_with_headings_in_order(tree: Element) -> None:
    (html,) = tree.all("html")
    assert html.attributes["lang"] == "en"
    assert len(list(tree.all("h1"))) == 1
    levels = [int(element.tag[1]) for element in tree.all() if re.fullmatch("h[1-6]", element.tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    ids = [element.attributes["id"] for element in tree.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))


def test_the_contents_lead_to_every_section(tree: Element) -> None:
    (nav,) = tree.all("nav")
    targets = [link.attributes["href"] for link in nav.all("a")]
    sections = [f"#{section.attributes['id']}" for section in tree.all("section")]
    assert targets == sections
    assert len(sections) == 11
    named = {element.attributes["id"] for element in tree.all("h2")}
    assert {section.attributes["aria-labelledby"] for section in tree.all("section")} == named


def test_every_picture_table_and_sound_has_a_text(tree: Element) -> None:
    pictures = list(tree.all("svg"))
    assert len(pictures) > 20
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        assert picture.attributes["aria-label"].strip()
    assert not list(tree.all("img"))
    sounds = list(tree.all("audio"))
    assert [sound.attributes["aria-label"] for sound in sounds] == [
        "Recording voice.wav",
        "Recording long.wav",
    ]
    tables = list(tree.all("table"))
    assert len(tables) > 15
    for table in tables:
        (caption,) = table.all("caption")
        assert caption.words()
        heads = list(table.all("th"))
        assert heads
        assert all(head.attributes.get("scope") in ("col", "row") for head in heads)
    # A table that may be wider than the screen scrolls in a place of its own, by keyboard too.
    places = [element for element in tree.all("div") if "wide" in element.attributes.get("class", "").split()]
    assert len(places) == len(tables)
    assert all(place.attributes["tabindex"] == "0" and place.attributes["aria-label"] for place in places)


def test_the_page_needs_nothing_else(tree: Element, page: Path) -> None:
    for element in tree.all():
        assert element.tag not in ("script", "iframe", "object", "embed", "base", "form"), element.tag
        assert not [name for name in element.attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "data", "poster"):
            value = element.attributes.get(name, "#")
            assert value.startswith(("#", "data:audio/flac;base64,")) or value == "data:,", value[:60]
    policies = [one.attributes["content"] for one in tree.all("meta") if one.attributes.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"]
    style = next(iter(tree.all("style"))).text
    assert "url(" not in style
    assert "@import" not in style
    assert page.stat().st_size < MOST_BYTES


def test_the_sound_is_what_the_nets_heard(tree: Element, full_sources: Sources) -> None:
    import base64
    import io

    import numpy as np
    import soundfile

    from edge_ser.audio import read_audio

    sounds = [sound.attributes["src"] for sound in tree.all("audio")]
    for source, path, seconds in zip(sounds, full_sources.examples, (2.0, 15.0), strict=True):
        data = base64.b64decode(source.removeprefix("data:audio/flac;base64,"))
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        assert rate == 16000
        assert len(samples) == seconds * rate
        np.testing.assert_array_equal(samples, read_audio(path, rate, 0.0, seconds))


def test_an_example_says_what_classify_says(full: Report, full_sources: Sources) -> None:
    from edge_ser.runtime.pipeline import load_pipeline

    pipeline = load_pipeline(read_bundle(SHIPPED))
    said = list(pipeline.classify(full_sources.examples[0]))
    shown = full.examples[0].pieces
    assert [piece.emotion for piece in shown] == [decision.emotion for decision in said]
    labels = pipeline.spec.acoustic.classes
    for piece, decision in zip(shown, said, strict=True):
        assert dict(piece.scores) == dict(zip(labels, decision.scores, strict=True))


def test_predicted_virtual_and_foreign_figures_say_so(tree: Element) -> None:
    latency = next(section for section in tree.all("section") if section.attributes["id"] == "latency")
    lines = [line.words() for line in latency.all("tr")]
    assert [line for line in lines if "Coral Dev Board Micro" in line and "predicted" in line]
    assert next(line for line in lines if line.startswith("litert")).count("measured") == 1
    virtual = next(line for line in lines if line.startswith("host"))
    assert "virtual, no measurement of a board" in virtual
    assert "another build" in virtual
    tiles = next(iter(tree.all("header"))).words()
    assert "not compiled: Edge TPU figures are predicted" in tiles


def test_synthetic_scores_say_so_wherever_they_stand(tree: Element, full: Report) -> None:
    scores = next(section for section in tree.all("section") if section.attributes["id"] == "scores")
    heads = [head.words() for head in scores.all("h3")]
    assert "synthetic SYNTHETIC" in heads
    captions = [caption.words() for caption in scores.all("caption")]
    assert sum("synthetic, SYNTHETIC" in caption for caption in captions) == 1
    assert "say that the line works, and nothing about people" in scores.words()
    text = markdown_report(full)
    assert "| synthetic **SYNTHETIC** |" in text
    assert "and nothing about people" in text
    # The headline is of recorded speech as long as there is any.
    assert full.headline is not None
    assert not full.headline.synthetic


def test_a_bundle_that_learned_from_synthetic_speech_says_so_at_the_top(tmp_path: Path) -> None:
    bundle = read_bundle(SHIPPED)
    bundle = replace(bundle, provenance={**bundle.provenance, "synthetic": True}, manifest=b"")
    write_bundle(tmp_path / "made.edgeser", bundle)
    found = gather(tmp_path / "made.edgeser", Sources())
    (header,) = parse(html_page(found)).all("header")
    assert "learned emotions from SYNTHETIC speech" in header.words()
    assert "SYNTHETIC" in markdown_report(found)


def test_ablations_are_paired_by_seed(full: Report) -> None:
    (one,) = full.ablations
    base, wide = one.rows
    assert (base.name, base.points) == ("base", None)
    assert wide.points is not None
    assert wide.points.mean == pytest.approx(100 * ((0.6 - 0.5) + (0.65 - 0.6)) / 2)


def test_reports_of_different_protocols_do_not_stand_side_by_side(tmp_path: Path) -> None:
    files = (
        written(tmp_path / "a.json", trial("a", {"1": 0.5})),
        written(tmp_path / "b.json", trial("b", {"1": 0.5}, protocol="folds")),
        written(tmp_path / "c.json", trial("c", {"2": 0.5})),
    )
    found = gather(SHIPPED, Sources(scores=files))
    assert not found.ablations
    assert len([one for one in found.scores if not one.of_this_bundle]) == 3


def test_what_is_absent_is_named_with_what_makes_it(bare: Report) -> None:
    tree = parse(html_page(bare))
    hints = [part.words() for part in tree.all("p") if part.attributes.get("class") == "add"]
    text = " ".join(hints)
    for words in (
        "edge-ser bench base.edgeser",
        "edge-ser parity --json",
        "--example FILE",
    ):
        assert words in text
    assert "edge-ser evaluate SPEC.toml" in text


def test_a_page_without_scores_or_card_names_their_commands(tmp_path: Path) -> None:
    bundle = read_bundle(SHIPPED)
    kept = {
        name: data
        for name, data in bundle.members.items()
        if not name.startswith(("reports/", "golden/")) and name != "card.md"
    }
    write_bundle(tmp_path / "made.edgeser", replace(bundle, members=kept, provenance={}, manifest=b""))
    found = gather(tmp_path / "made.edgeser", Sources())
    words = parse(html_page(found)).words()
    assert "edge-ser evaluate made.edgeser --corpus NAME" in words
    assert "holds no model card" in words
    assert "--training FOLDER" in words
    assert "holds no golden vectors" in words
    assert "Report of" in markdown_report(found)


def test_curves_come_from_the_bundle_and_a_named_folder_goes_before(tmp_path: Path) -> None:
    folder = training(tmp_path / "trained", epochs=4)
    own = (Curve("acoustic", (Epoch(1, 1.5, 0.25), Epoch(2, 1.25, 0.5))),)
    write_bundle(tmp_path / "made.edgeser", read_bundle(SHIPPED).with_members(curve_members(own)))
    found = gather(tmp_path / "made.edgeser", Sources())
    assert found.curves == own
    assert (
        "acoustic, loss on the training clips: 1.50 in epoch 1, 1.25 in epoch 2" in html_page(found).decode()
    )
    named = gather(tmp_path / "made.edgeser", Sources(training=folder))
    assert [len(curve.epochs) for curve in named.curves] == [4, 4]
    assert named.curves_from == "other"


def test_what_an_emulator_counted_is_no_time(tmp_path: Path) -> None:
    none = dict.fromkeys(("first_ms", "p50_ms", "p95_ms", "p99_ms", "mean_ms", "least_ms", "most_ms"))
    counted = bench(
        backend="qemu",
        kind="emulated",
        stages={},
        runs_ms={},
        instructions={"net_inputs": {"per_segment": 105_704}},
        **none,
    )
    found = gather(SHIPPED, Sources(bench=(written(tmp_path / "q.json", counted),)))
    words = " ".join(parse(html_page(found)).words().split())
    assert "instructions, counted, not timed" in words
    assert "net inputs per segment 105,704" in words


def test_markup_in_a_bundle_or_a_file_stays_text(tmp_path: Path) -> None:
    labels = (POISON, f"{POISON}2")
    rows = {"litert": row(labels), "constant": row(labels)}
    name = "<img src=x onerror=alert(4)>.wav"
    sources = Sources(
        bench=(written(tmp_path / "<b>bench.json", bench(device=POISON, what=POISON, backend="usb")),),
        scores=(
            written(tmp_path / "<i>s.json", exam(corpus=POISON, rows=rows, command=POISON)),
            written(tmp_path / "t.json", {**trial(POISON, {"1": 0.5}), "corpus": POISON}),
            written(tmp_path / "u.json", {**trial(POISON, {"1": 0.6}), "corpus": POISON}),
        ),
        training=training(tmp_path / "trained"),
        examples=(recording(tmp_path / name),),
    )
    (tmp_path / "trained" / "acoustic").rename(tmp_path / "trained" / "<svg onload=alert(5)>")
    found = gather(poisoned(tmp_path / "bad.edgeser"), sources)
    data = html_page(found)
    tree = parse(data)
    ours = {"audio", "article", "polyline", "figure", "figcaption", "path", "line", "details", "summary"}
    known = ours | {element.tag for element in parse(html_page(gather(SHIPPED, Sources()))).all()}
    assert {element.tag for element in tree.all()} <= known
    for element in tree.all():
        assert not [attribute for attribute in element.attributes if attribute.startswith("on")]
        for attribute in ("src", "href"):
            value = element.attributes.get(attribute, "#")
            assert value.startswith(("#", "data:audio/flac;base64,")) or value == "data:,"
    assert "alert(1)" in tree.words()
    text = markdown_report(found)
    for line in text.splitlines():
        for sign in ("<script", "<img"):
            assert f"\\{sign}" in line or sign not in line
    assert "@you" not in text


def test_the_same_inputs_give_the_same_bytes(full: Report, full_sources: Sources, page: Path) -> None:
    again = gather(SHIPPED, full_sources)
    assert html_page(again) == page.read_bytes()
    assert markdown_report(again) == markdown_report(full)


def test_no_folder_of_this_machine_is_on_the_page(page: Path, full: Report, full_sources: Sources) -> None:
    folder = str(full_sources.examples[0].parent)
    assert folder not in page.read_text()
    assert folder not in markdown_report(full)


def test_too_much_sound_is_refused(full: Report) -> None:
    much = replace(full, examples=(replace(full.examples[0], flac=bytes(MOST_BYTES)),))
    with pytest.raises(InputError, match="--example"):
        html_page(much)


def _tokens(block: str) -> dict[str, tuple[int, ...]]:
    found = re.findall(r"--([a-z-]+):\s*#([0-9a-f]{6})", block)
    return {name: tuple(int(code[at : at + 2], 16) for at in (0, 2, 4)) for name, code in found}


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(colour: tuple[float, ...]) -> float:
        parts = [value / 255 for value in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark", "print"])
def test_words_stand_out_from_their_ground(mode: str) -> None:
    style = resources.files("edge_ser.report").joinpath("templates", "style.css").read_text()
    blocks = {
        "light": style.split("@media")[0],
        "dark": style.split("prefers-color-scheme: dark")[1].split("\n}")[0],
        "print": style.split("@media print")[1],
    }
    tokens = _tokens(blocks[mode])
    for ground in ("page", "card"):
        for ink in ("ink", "soft", "accent", "ok", "bad", "guess"):
            assert _contrast(tokens[ink], tokens[ground]) >= 4.5, (mode, ink, ground)
    assert _contrast(tokens["note-ink"], tokens["note"]) >= 4.5
    assert _contrast(tokens["ink"], tokens["mark"]) >= 4.5
    assert _contrast(tokens["soft"], tokens["mark"]) >= 4.5
    # The cells of a confusion matrix: the accent mixed into the card, and the words on it.
    cells = re.findall(r"\.h\d+ \{ background: color-mix\(in srgb, var\(--accent\) (\d+)%[^}]*\}", style)
    assert len(cells) == 9
    for share in map(int, cells):
        mixed = tuple(
            (share * a + (100 - share) * c) / 100
            for a, c in zip(tokens["accent"], tokens["card"], strict=True)
        )
        ink = "on-heat" if share > 50 else "ink"
        assert _contrast(tokens[ink], mixed) >= 4.5, (mode, share)
    assert _contrast(tokens["on-heat"], tokens["accent"]) >= 4.5
