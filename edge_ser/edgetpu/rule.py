"""What a rule is: a function that looks at one operator; its docstring is the rule, the message, the manual.

The docstring has three paragraphs: the rule, ``Rewrite:`` what to do, ``Source:`` where it is known from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_ser.edgetpu.compilers import Compiler, age_of
from edge_ser.edgetpu.model import Operator

Verdict = Literal["mapped", "host", "unknown"]
Confidence = Literal["documented", "logged", "inferred", "your compiler"]
"""Where a verdict is known from: the vendor's words, a published log or compiled file, reasoning, or what the
person's own compiler made of the probe models."""

_Check = Callable[[Operator], str | None]
_CompilerCheck = Callable[[Operator, Compiler], str | None]


@dataclass(frozen=True)
class Rule:
    """One rule about operators.

    Attributes:
        name: short name, words joined by hyphens.
        text: the rule in one or two sentences.
        rewrite: how to mend a model that breaks it.
        source: where the rule is known from.
        ops: operators it looks at; empty means all.
        verdict: what becomes of an operator that the rule speaks about.
        confidence: how sure that is.
        refuses_file: whether the compiler then refuses the whole file, not just the operator.
        until: version of the last compiler that it is about; ``""`` means every one.
        rewrites: rewrites for single operators, which win over ``rewrite``.
        check: what was found on an operator, ``None`` where the rule has nothing to say.
    """

    name: str
    text: str
    rewrite: str
    source: str
    ops: tuple[str, ...]
    verdict: Verdict
    confidence: Confidence
    refuses_file: bool
    until: str
    rewrites: Mapping[str, str] = field(repr=False)
    check: _CompilerCheck = field(repr=False)

    def look(self, op: Operator, compiler: Compiler) -> str | None:
        """What the rule finds on an operator, ``None`` where it has nothing to say."""
        if self.ops and op.name not in self.ops:
            return None
        if self.until and compiler.age > age_of(self.until):
            return None
        return self.check(op, compiler)

    def hint(self, op: Operator) -> str:
        """The rewrite for this operator; empty where nothing needs to be done."""
        return "" if self.verdict == "mapped" else self.rewrites.get(op.name, self.rewrite)


@dataclass(frozen=True)
class Manual:
    """The three paragraphs of a docstring: what holds, what to do about it, where it is known from."""

    text: str
    rewrite: str
    source: str


def manual(docstring: str | None) -> Manual:
    """Read a docstring of three paragraphs; a paragraph that is missing is empty."""
    parts = {"Text": "", "Rewrite": "", "Source": ""}
    for paragraph in (docstring or "").split("\n\n"):
        text = " ".join(paragraph.split())
        head, _, rest = text.partition(": ")
        if head in ("Rewrite", "Source"):
            parts[head] = rest.rstrip(".")
        elif text and not parts["Text"]:
            parts["Text"] = text
    return Manual(parts["Text"], parts["Rewrite"], parts["Source"])


def rule(
    *ops: str,
    verdict: Verdict = "host",
    confidence: Confidence = "documented",
    until: str = "",
    rewrites: Mapping[str, str] | None = None,
) -> Callable[[_Check], Rule]:
    """Make a :class:`Rule` of a function of an operator and its docstring."""

    def wrap(check: _Check) -> Rule:
        return _make(check, lambda op, _compiler: check(op), ops, verdict, confidence, False, until, rewrites)

    return wrap


def compiler_rule(
    *ops: str,
    confidence: Confidence = "documented",
    refuses_file: bool = False,
    rewrites: Mapping[str, str] | None = None,
) -> Callable[[_CompilerCheck], Rule]:
    """Make a :class:`Rule` of a function of an operator and the compiler; it leaves the operator to the host."""

    def wrap(check: _CompilerCheck) -> Rule:
        return _make(check, check, ops, "host", confidence, refuses_file, "", rewrites)

    return wrap


def _make(
    described: _Check | _CompilerCheck,
    check: _CompilerCheck,
    ops: tuple[str, ...],
    verdict: Verdict,
    confidence: Confidence,
    refuses_file: bool,
    until: str,
    rewrites: Mapping[str, str] | None,
) -> Rule:
    words = manual(described.__doc__)
    return Rule(
        name=described.__name__.replace("_", "-"),
        text=words.text,
        rewrite=words.rewrite,
        source=words.source,
        ops=ops,
        verdict=verdict,
        confidence=confidence,
        refuses_file=refuses_file,
        until=until,
        rewrites=rewrites or {},
        check=check,
    )
