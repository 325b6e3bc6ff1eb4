"""What a rule is: a function that looks at one operator; its docstring is the rule, the message, the manual.

The docstring has three paragraphs: the rule, ``Rewrite:`` what to do, ``Source:`` where it is known from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_ser.edgetpu.model import Operator

Verdict = Literal["mapped", "host", "unknown"]
Confidence = Literal["documented", "logged", "inferred"]
"""Where a verdict is known from: the vendor's words, a published log or compiled file, or reasoning."""

_Check = Callable[[Operator], str | None]


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
    rewrites: Mapping[str, str] = field(repr=False)
    check: _Check = field(repr=False)

    def look(self, op: Operator) -> str | None:
        """What the rule finds on an operator, ``None`` where it has nothing to say."""
        return self.check(op) if not self.ops or op.name in self.ops else None

    def hint(self, op: Operator) -> str:
        """The rewrite for this operator; empty where nothing needs to be done."""
        return "" if self.verdict == "mapped" else self.rewrites.get(op.name, self.rewrite)


def rule(
    *ops: str,
    verdict: Verdict = "host",
    confidence: Confidence = "documented",
    refuses_file: bool = False,
    rewrites: Mapping[str, str] | None = None,
) -> Callable[[_Check], Rule]:
    """Make a :class:`Rule` of a function and its docstring."""

    def wrap(check: _Check) -> Rule:
        parts = {"Rule": "", "Rewrite": "", "Source": ""}
        for paragraph in (check.__doc__ or "").split("\n\n"):
            text = " ".join(paragraph.split())
            head, _, rest = text.partition(": ")
            if head in ("Rewrite", "Source"):
                parts[head] = rest.rstrip(".")
            elif text and not parts["Rule"]:
                parts["Rule"] = text
        return Rule(
            name=check.__name__.replace("_", "-"),
            text=parts["Rule"],
            rewrite=parts["Rewrite"],
            source=parts["Source"],
            ops=ops,
            verdict=verdict,
            confidence=confidence,
            refuses_file=refuses_file,
            rewrites=rewrites or {},
            check=check,
        )

    return wrap
