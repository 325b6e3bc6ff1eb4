"""The model card of a bundle (Mitchell et al., "Model Cards for Model Reporting", arXiv 1810.03993).

Every number in it is read from the bundle's own reports and provenance; the words about use are the same for every
bundle, because every bundle infers emotions from voices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge_ser.bundle import Bundle
from edge_ser.bundle_shipped import corpora_of
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.registry import layout
from edge_ser.errors import InputError

CARD = "card.md"
"""The member that holds the card."""

EVALUATIONS = "evaluation-"
"""Reports of this bundle, ``reports/evaluation-<corpus>.json``: what ``edge-ser evaluate BUNDLE`` prints."""

TRIALS = "trial-"
"""Reports of the same recipe trained anew, ``reports/trial-<name>.json``: what ``edge-ser evaluate SPEC`` prints."""

ATTRIBUTIONS: Mapping[str, str] = {
    "crema-d": "Contains information from CREMA-D, which is made available under the Open Database License 1.0 and the "
    "Database Contents License 1.0 (opendatacommons.org). Cao, Cooper, Keutmann, Gur, Nenkova, Verma, "
    '"CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset", IEEE Trans. Affective Computing 5(4), 2014.',
    "speech-commands": 'Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", arXiv '
    "1804.03209, Google; CC BY 4.0 (creativecommons.org/licenses/by/4.0).",
    "librispeech": 'Panayotov, Chen, Povey, Khudanpur, "LibriSpeech: an ASR corpus based on public domain audio '
    'books", ICASSP 2015; CC BY 4.0 (creativecommons.org/licenses/by/4.0).',
    "musan": 'Snyder, Chen, Povey, "MUSAN: A Music, Speech, and Noise Corpus", arXiv 1510.08484; CC BY 4.0 '
    "(creativecommons.org/licenses/by/4.0).",
    "esc-10": 'Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015, its ESC-10 subset; '
    "CC BY 3.0 (creativecommons.org/licenses/by/3.0).",
}
"""How a corpus whose weights may ship wants to be named; recordings were cut, mixed and turned into spectrograms."""

_INTENDED = """\
Research, teaching and engineering: trying an edge speech pipeline end to end, measuring boards, comparing recipes, and
as a start for training on speech of your own. Where people are recorded, with their informed consent, and never as
the only ground of a decision about a person."""

_TELLS = """\
- It can tell which of its labels the sound of a segment is most like, about as often as the scores below say, for
  voices and recordings like those it was tested on.
- It cannot tell what a person feels, means or intends, why a voice sounds as it does (a cold, noise, a dialect, an
  impairment, acting), or anything about a person beyond the few seconds it heard. How emotion is expressed varies
  between cultures, situations and people, and within one person (Barrett et al., Psychological Science in the Public
  Interest 20(1), 2019; recital 44 of the AI Act).
- An answer about one person at one moment is evidence of little; what holds on average over many clips need not hold
  for anyone."""

_PRIVACY = """\
- **Consent.** Record and analyse people only with their informed and freely given consent: what is heard, what is
  inferred, who sees it, how long it is kept, and that they may refuse or stop without a disadvantage. Bystanders are
  people too. From staff, pupils and patients consent is seldom free.
- **Data.** A recording of a voice and an emotion inferred from it are personal data (Regulation (EU) 2016/679, Article
  4(1)); what they may reveal of health is a special category (Article 9).
- **Where the audio goes.** edge-ser runs on the machine or the board that hears; it sends nothing anywhere, and keeps
  audio only where it is told to record. Whoever builds on it answers for the rest."""

_FORBIDDEN = """\
- **Workplaces and education.** Inferring emotions of people there is prohibited in the European Union except for
  medical or safety reasons (Regulation (EU) 2024/1689, the AI Act, Article 5(1)(f), in force since 2 February 2025);
  this bundle is made for neither exception. That covers staff on calls, drivers, applicants, pupils and students, in
  class and in exams; consent does not lift it.
- **Hiring, promotion, credit, insurance, asylum, policing, or any judgement of a person's character or
  truthfulness.** It is no lie detector. Elsewhere emotion recognition is high-risk under the AI Act (Annex III, 1(c)),
  with the duties of a high-risk system, which this bundle does not meet by itself, and people exposed to it must be
  told (Article 50(3)).
- **Medicine.** It is no medical device and knows nothing of depression, pain, risk or any other state of health.
- **Emergency or safety decisions**, and covert monitoring of anyone."""

_LIMITS = """\
- It names how a voice sounds, by the labels of its corpora. Where those are acted, the label is what the actor was
  asked to show, and spontaneous speech is harder than every score above.
- It always names one of its classes; a high score is no probability of being right.
- Voices, ages, accents, languages, microphones, rooms and noises that its corpora lack are unknown to it, and
  loudness is part of what it hears: another gain is another input.
- What counts is the int8 files; the float nets beside them are for comparison and for training on."""

_INT8 = "litert"
PREDICTORS = {
    "float": "float",
    _INT8: "int8, what ships",
    "tflm": "int8, TFLM",
    "lr": "hand-crafted features, logistic regression",
    "mlp": "hand-crafted features, perceptron",
    "constant": "constant predictor",
}
"""How a row of scores is called, in the card and in the report."""


def model_card(bundle: Bundle) -> str:
    """The card, Markdown, of what a bundle says of itself; a card that it holds already is not read.

    Raises:
        InputError: the provenance does not say what the bundle learned from, or a report is not as edge-ser writes it.
    """
    try:
        parts = [*_head(bundle), *_data(bundle), *_scores(bundle), *_groups(bundle), *_end(bundle)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = (
            f"bundle {bundle.spec.name}: a report is not as edge-ser writes it ({error!r}); quantize again"
        )
        raise InputError(message) from None
    return "\n\n".join(parts) + "\n"


def _head(bundle: Bundle) -> Iterator[str]:
    told = bundle.provenance
    sizes = ", ".join(f"{net} {len(bundle.member(f'{net}.tflite')):,}" for net in ("keyword", "acoustic"))
    yield f"# Model card: {bundle.spec.name}"
    yield "Written by edge-ser from the reports and the provenance in the bundle; no number in it was typed by hand."
    yield (
        f"Emotion of speech, in segments of {bundle.spec.acoustic.segment_s:g} s: {', '.join(bundle.labels)}. "
        f"Keywords: {', '.join(bundle.spec.keyword.words)}. Two int8 nets ({sizes} bytes) and an integer fusion head, "
        f"{told.get('params', 'unknown')} parameters. Made by edge-ser {bundle.made_by}, commit "
        f"{told.get('commit') or 'unknown'}, seed {told.get('seed', 'unknown')}."
    )
    yield "## Intended use"
    yield _INTENDED
    yield "## What it can and cannot tell"
    yield _TELLS
    yield "## Privacy and consent"
    yield _PRIVACY
    yield "## What it must not be used for"
    yield _FORBIDDEN


def _clips(entry: Mapping[str, Any], part: str) -> str:
    copies = entry.get("copies", {}).get(part, 0)
    return f"{entry.get('clips', {}).get(part, '–')}" + (f" and {copies} changed copies" if copies else "")


def _data(bundle: Bundle) -> Iterator[str]:
    entries = [(role, entry, layout(entry["name"])) for role, entry in corpora_of(bundle)]
    rows = [
        (
            _cell(role),
            f"{form.name} ({form.title})",
            form.language or "–",
            form.licence,
            *(
                f"{_clips(entry, part)} of {len(entry['speakers'].get(part, ()))}"
                for part in ("train", "validation", "test")
            ),
        )
        for role, entry, form in entries
    ]
    columns = ("for", "corpus", "language", "licence", "train", "validation", "test")
    yield "## What it learned from"
    yield "Clips, and of how many speakers; no speaker is on two sides.\n\n" + _table(columns, rows)
    yield "\n".join(f"- {_attribution(form)}" for form in dict.fromkeys(form for _, _, form in entries))
    barred = sorted({form.name for _, _, form in entries if not form.shippable})
    yield (
        f"**Not to be passed on**: the licence of {', '.join(barred)} does not allow weights trained on it to ship."
        if barred
        else "All of these licences allow weights trained on the corpora to ship."
    )
    elsewhere = [one for one in bundle.provenance.get("teachers", []) if not one.get("corpora")]
    if elsewhere:
        heard = "; ".join(dict.fromkeys(_cell(str(one.get("learned_from"))) for one in elsewhere))
        licence = bundle.provenance.get("teacher_licence")
        said = (
            f" Their licences, by the word of whoever ships this: {_cell(str(licence))}." if licence else ""
        )
        yield f"Nets from elsewhere taught it too; what they had heard is not in the table: {heard}.{said}"
    if bundle.provenance.get("synthetic"):
        yield "**Trained on synthetic speech**: it shows that the line works, and is no model of people."


def _attribution(form: Layout) -> str:
    return ATTRIBUTIONS.get(
        form.name, f"{form.title}; {form.publisher or 'publisher unknown'}; {form.licence}."
    )


def _scores(bundle: Bundle) -> Iterator[str]:
    yield "## Scores"
    yield (
        "UAR is the mean recall of the classes; in brackets its 95 % interval, speakers resampled. No test speaker "
        "taught the system anything."
    )
    columns = ("", "UAR %", "macro-F1 %", "accuracy %")
    found = False
    for _, record in _reports(bundle, EVALUATIONS):
        found = True
        words = f"{_tested(record['corpus'], record, record['synthetic'])} Made by `{record['command']}`."
        yield words + "\n\n" + _table(columns, _predictors(record["rows"], {}))
    if not found:
        report = bundle.report("quantize")
        if report is None:
            yield "Not measured."
        else:
            rows = {_INT8 if key == "int8" else key: report[key] for key in ("float", "int8", "constant")}
            corpus = next(entry["name"] for role, entry in corpora_of(bundle) if role == "emotions")
            words = f"{_tested(corpus, report['int8'], report['synthetic'])} Made by `edge-ser quantize`."
            yield words + "\n\n" + _table(columns, _predictors(rows, {}))
    for _, record in _reports(bundle, TRIALS):
        seeds = ", ".join(str(seed) for seed in record["seeds"])
        for name, one in record["tables"].items():
            words = (
                f"The same recipe trained anew, not this bundle: {name}, {record['protocol']}, seeds {seeds}, "
                f"mean ± sd over seeds. Made by `{record['command']}`."
            )
            yield words + "\n\n" + _table(columns, _predictors(one["pooled"], one["spread"]))


def _tested(corpus: str, row: Mapping[str, Any], synthetic: bool) -> str:
    note = ", SYNTHETIC" if synthetic else ""
    return f"{corpus}: {row['n']:,} clips of {row['speakers']} test speakers{note}."


def _groups(bundle: Bundle) -> Iterator[str]:
    yield "## Who gets more errors"
    rows = []
    recalls: dict[str, str] = {}
    for _, record in _reports(bundle, EVALUATIONS):
        row = record["rows"].get(_INT8)
        if row is None:
            continue
        corpus = record["corpus"]
        for label, one in row["per_class"].items():
            if one["clips"]:
                rows.append((corpus, "class", label, f"{100 * (1 - one['recall']):.1f}"))
        for by, gap in row["gaps"].items():
            if gap is None:
                continue
            rows += [(corpus, by, name, f"{100 * (1 - uar):.1f}") for name, uar in gap.get("uar", {}).items()]
            recalls[f"{corpus}, by {by}"] = f"{100 * gap['uar_gap']:.1f}"
    if not rows:
        yield "Not measured for this bundle; `edge-ser evaluate` says it by class, and by sex and speaker where known."
        return
    yield "Error rate is 1 − recall of a class, and 1 − UAR of a group.\n\n" + _table(
        ("test corpus", "by", "group", "error rate %"), rows
    )
    if recalls:
        gaps = "; ".join(f"{name}: {points}" for name, points in recalls.items())
        yield f"Points of UAR between the best and the worst treated group: {gaps}."
    yield "Age, origin, accent and health of the speakers are not in these figures."


def _end(bundle: Bundle) -> Iterator[str]:
    learned = {layout(entry["name"]).language for role, entry in corpora_of(bundle) if role == "emotions"} - {
        ""
    }
    tested = {layout(record["corpus"]).language for _, record in _reports(bundle, EVALUATIONS)} - {""}
    yield "## Languages"
    others = sorted(tested - learned)
    yield (
        f"Emotions learned in: {', '.join(sorted(learned)) or 'unknown'}. "
        + (f"Tested, not trained, in: {', '.join(others)}. " if others else "")
        + "In any other language nothing is known."
    )
    yield "## Known limits"
    yield _LIMITS


def _reports(bundle: Bundle, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for member in sorted(bundle.members):
        if member.startswith(f"reports/{kind}") and member.endswith(".json"):
            name = member.removeprefix("reports/").removesuffix(".json")
            record = bundle.report(name)
            if record is not None:
                yield name, record


def _predictors(rows: Mapping[str, Any], spread: Mapping[str, Any]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for name, row in rows.items():
        low, high = row["interval"]
        cells = [_with_sd(row, spread.get(name, {}), key) for key in ("uar", "macro_f1", "accuracy")]
        lines.append(
            (PREDICTORS.get(name, name), f"{cells[0]} ({100 * low:.1f}–{100 * high:.1f})", cells[1], cells[2])
        )
    return lines


def _with_sd(row: Mapping[str, Any], told: Mapping[str, Any], key: str) -> str:
    if key in told and told[key]["sd"] is not None:
        return f"{100 * told[key]['mean']:.1f} ± {100 * told[key]['sd']:.1f}"
    return f"{100 * row[key]:.1f}"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
