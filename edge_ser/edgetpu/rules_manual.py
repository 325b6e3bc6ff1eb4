"""The manual of the rules, made from the rules themselves: `docs/edgetpu-rules.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edge_ser.edgetpu import limits, notes
from edge_ser.edgetpu.compilers import COMPILERS, VERSION_RELEASES
from edge_ser.edgetpu.probe import PROBES
from edge_ser.edgetpu.rule import Rule
from edge_ser.edgetpu.rules import RULES

_HEAD = """\
# What maps to the Edge TPU, and why not

Generated from `edge_ser/edgetpu` by `python tools/rules_manual.py`; do not edit.

`edge-ser check MODEL.tflite` walks the operations in execution order. The first rule that speaks about an operation
decides; what no rule speaks about is mapped. Operations that map alone and depend on one that does not are left to the
host too: the compiler makes one Edge TPU part (`one-partition`).

Confidence: `documented` is the vendor's word, `logged` was seen in a published compiler log or a compiled file,
`inferred` is reasoning, `your compiler` is what `edge-ser doctor --probe` found out; it wins over all rules.
"""


def manual() -> str:
    """The whole manual, Markdown."""
    parts = [
        _HEAD,
        "## Rules about operations\n",
        *(_rule(rule) for rule in RULES),
        "## Rules about models\n",
        *(_model_rule(item) for item in notes.MODEL_RULES),
        "## Compilers\n",
        _table(
            (
                "compiler",
                "writes for runtime",
                "operation versions of TensorFlow",
                "refuses builtin codes from",
            ),
            (
                (c.version, c.runtime, ".".join(map(str, c.tensorflow)), c.first_unknown_code)
                for c in COMPILERS
            ),
        ),
        "## Operations of the list\n\nNewest version that each compiler's parser takes; 0 refuses the file.\n",
        _table(("operation", "first runtime", *(c.version for c in COMPILERS)), _operations()),
        "## Operations outside the list\n",
        _table(("operation", "what to do"), sorted(limits.REWRITES.items())),
        "## Probe models\n\nWhat `edge-ser doctor --probe` asks; the pattern is what an answer then serves for.\n",
        _table(("probe", "pattern", "rule it stands in for"), _probes()),
    ]
    return "\n".join(parts)


def _rule(rule: Rule) -> str:
    about = ", ".join(rule.ops) or "every operation"
    verdict = "the compiler refuses the file" if rule.refuses_file else rule.verdict
    until = f"; compilers up to {rule.until}" if rule.until else ""
    return _section(
        rule.name, f"{about}: {verdict} ({rule.confidence}{until})", rule.text, rule.rewrite, rule.source
    )


def _model_rule(item: notes.ModelRule) -> str:
    return _section(item.name, item.confidence, item.text, item.rewrite, item.source)


def _section(name: str, head: str, text: str, rewrite: str, source: str) -> str:
    return f"### {name}\n\n*{head}*\n\n{text}\n\n- To mend: {rewrite}.\n- Known from: {source}.\n"


def _operations() -> Iterator[Sequence[object]]:
    for op in sorted({*limits.FIRST_RUNTIME, *VERSION_RELEASES}):
        versions = [compiler.newest_version(op) for compiler in COMPILERS]
        shown = ["-" if version is None else version for version in versions]
        yield op, limits.FIRST_RUNTIME.get(op, "not mapped"), *shown


def _probes() -> Iterator[Sequence[object]]:
    for probe in PROBES:
        ladder = f"{probe.ladder} version {probe.version}" if probe.ladder else "a chain of operations"
        yield probe.name, probe.pattern or ladder, probe.rule or "-"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(map(str, row)) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"
