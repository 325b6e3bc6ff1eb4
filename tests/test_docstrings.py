"""Every public name says what it is; what takes or gives arrays says their shape, and amounts their unit."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("edge_ser", "firmware_bridge")
MODULES = sorted(
    path
    for package in PACKAGES
    for path in (REPOSITORY / package).rglob("*.py")
    if not path.name.startswith("_") or path.name == "__init__.py"
)

_SHAPE = re.compile(r"\((?:[A-Za-z_]*\w*,? ?[-+*/.…\w ]*)(?:, ?[-+*/.…\w ]+)*,?\)|any shape|one number")
"""``(frames, channels)``, ``(n,)``, ``()``: how a docstring gives a shape."""
_AS = re.compile(r"[Aa]s :(?:meth|func|class):`~?([\w.]+)`|[Ii]nverse of :(?:meth|func):`~?([\w.]+)`")
_ARRAYS = frozenset({"NDArray", "ndarray"})
_FLOATS = frozenset({"float"})
_DocstringNode = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef

_UNIT_NAME = re.compile(
    r"(?:^|_)(?:k?hz|mhz|s|ms|us|ns|db|dbfs|bytes|bits|frames|samples|ppm|mm|mw|mj|c|percent|seconds|minutes"
    r"|semitones|share|ratio)$"
)
"""What the name of an amount ends in, where that alone says its unit: ``window_ms``, ``noise_share``."""
_UNIT = re.compile(
    # Physical units. Some words only where they stand as one: "the second pass" has no unit.
    r"\b(?:seconds|(?:a|per|this) second|milliseconds?|ms|minutes|hertz|k?Hz|MHz|decibels?|dB|dBFS|degrees Celsius"
    r"|radians|semitones?|nats|ppm|parts per million|per cent|words per minute)\b"
    # Things that are counted, likewise: "1 to 8 bytes are lost" does not say what the amount is.
    r"|(?:^|\bin )(?:bytes|bits|samples|frames|points|processes)\b"
    r"|\bint16 units\b|\bespeak-ng(?:'s)? units\b|\bper (?:integer )?step\b"
    # Without a dimension: which measure it is.
    r"|\b(?:shares?|fractions?|probabilit(?:y|ies)|factors?|ratio|exponent|divisor|relative|standard deviations?"
    r"|z-scores?|log-odds|cross-entropy|concordance|correlation coefficient|UAR|recall|F1|CCC|weights? of"
    r"|learning rate|L2 penalt(?:y|ies)|Beta distribution|times real time|dimensionless)\b"
    # What holds amounts of several units says where each has its own.
    r"|\bin (?:the|their|its|whatever) [\w' -]*units?\b",
    re.IGNORECASE,
)
"""What in an entry of a docstring says the unit of an amount, or which dimensionless measure it is."""
_CODE = re.compile(r"``.*?``|:\w+:`[^`]*`")
"""What stands in a docstring as code; a name in it is no unit."""
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples):$")
_ENTRY = re.compile(r"^ {4}(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)$")


@dataclass(frozen=True)
class Name:
    """A public module, class, function or method.

    Attributes:
        path: its module's file.
        name: with its class; ``""`` is the module.
        node: its definition.
        context: docstrings around it, where a method's arrays may be told too.
    """

    path: Path
    name: str
    node: _DocstringNode
    context: str

    @property
    def place(self) -> str:
        line = getattr(self.node, "lineno", 1)
        return f"{self.path.relative_to(REPOSITORY)}:{line} {self.name}"


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _names(path: Path) -> tuple[Name, ...]:
    module = _parsed(path)
    return (Name(path, "", module, ""), *_below(path, module, "", ""))


def _below(path: Path, parent: ast.Module | ast.ClassDef, prefix: str, context: str) -> Iterator[Name]:
    for node in parent.body:
        if not isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) or node.name.startswith("_"):
            continue
        yield Name(path, prefix + node.name, node, context)
        if isinstance(node, ast.ClassDef):
            yield from _below(path, node, f"{prefix}{node.name}.", ast.get_docstring(node) or "")


def _arguments(function: _Function) -> list[ast.arg]:
    given = function.args
    several = [each for each in (given.vararg, given.kwarg) if each is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *several]


def _identifiers(annotation: ast.expr | None) -> set[str]:
    """Names in an annotation; what only a help text of a command says is none."""
    if annotation is None:
        return set()
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


@cache
def _aliases(path: Path, types: frozenset[str]) -> frozenset[str]:
    """Names that a module gives to what holds one of some types, such as a tuple of them; functions are none."""
    found: set[str] = set()
    for node in _parsed(path).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        else:
            continue
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Subscript | ast.BinOp):
            within = _identifiers(node.value)
            if within & (types | found) and "Callable" not in within:
                found.add(target.id)
    return frozenset(found)


@cache
def _called_in(path: Path, types: frozenset[str]) -> frozenset[str]:
    """The types, and by what names a module knows those that hold them: its own, and those that it imports."""
    names = types | _aliases(path, types)
    for node in _parsed(path).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            other = REPOSITORY / f"{node.module.replace('.', '/')}.py"
            if other.is_file():
                there = _aliases(other, types)
                names |= {each.asname or each.name for each in node.names if each.name in there}
    return names


def _arrays(name: Name) -> bool:
    node = name.node
    if not isinstance(node, _Function):
        return False
    annotations = [each.annotation for each in _arguments(node)] + [node.returns]
    return any(_identifiers(each) & _called_in(name.path, _ARRAYS) for each in annotations)


@cache
def _all_docstrings() -> dict[str, str]:
    found = {}
    for path in MODULES:
        module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        found |= {
            f"{module}.{name.name}": ast.get_docstring(name.node) or "" for name in _names(path) if name.name
        }
    return found


def _referred(told: str) -> list[str]:
    """Docstrings of what a docstring refers to with "As :meth:`Other.name`"; by the end of its full name."""
    reference = _AS.search(told)
    if reference is None:
        return []
    end = "." + (reference[1] or reference[2]).lstrip(".")
    return [docstring for name, docstring in _all_docstrings().items() if f".{name}".endswith(end)]


def _tells_shapes(name: Name) -> bool:
    told = ast.get_docstring(name.node) or ""
    return any(_SHAPE.search(text) for text in (told, *_referred(told)))


def _id(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_there_are_modules() -> None:
    assert len(MODULES) > 200


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_a_docstring(package: str) -> None:
    places = [path for path in MODULES if path.relative_to(REPOSITORY).parts[0] == package]
    silent = [name.place for path in places for name in _names(path) if not ast.get_docstring(name.node)]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_of_arrays_tell_shapes(package: str) -> None:
    places = [path for path in MODULES if path.relative_to(REPOSITORY).parts[0] == package]
    silent = [
        name.place for path in places for name in _names(path) if _arrays(name) and not _tells_shapes(name)
    ]
    assert silent == [], "\n".join(silent)


def test_names_of_types_are_found() -> None:
    package = REPOSITORY / "edge_ser"
    assert "Inputs" in _called_in(package / "edgetpu" / "lower_versions.py", _ARRAYS)  # a tuple
    assert "Int16" in _called_in(package / "frontend" / "fft.py", _ARRAYS)  # an annotated alias
    assert "Samples" in _called_in(package / "channel" / "takes.py", _ARRAYS)  # imported
    assert "Change" not in _called_in(package / "evaluation" / "scoring.py", _ARRAYS)  # a function of arrays
    assert "Word" in _called_in(package / "corpora" / "librispeech.py", _FLOATS)
    assert "Word" not in _called_in(package / "runtime" / "session.py", _FLOATS)  # a class of that name


@pytest.mark.parametrize("package", PACKAGES)
def test_amounts_have_units(package: str) -> None:
    """Every float that is taken, given or kept says its unit, or which dimensionless measure it is."""
    places = [path for path in MODULES if path.relative_to(REPOSITORY).parts[0] == package]
    lacking = [
        f"{name.place}: {amount}"
        for path in places
        for name in _names(path)
        for amount in _without_unit(name.node, _called_in(name.path, _FLOATS))
    ]
    assert lacking == [], "\n".join(lacking)


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ('def f(x: float) -> None:\n    """Wait."""', ["x"]),
        ('def f(x: float) -> None:\n    """Wait so many seconds."""', []),
        ('def f(wait_s: float) -> None:\n    """Wait."""', []),
        ('def f(x: float, y: float) -> None:\n    """Wait so many seconds."""', ["x", "y"]),
        ('def f(x: float, y: float) -> None:\n    """Wait ``x`` seconds. Add ``y``."""', ["y"]),
        ('def f(x: float) -> None:\n    """Seconds.\n\n    Args:\n        x: how much.\n    """', ["x"]),
        ('def f(x: float) -> None:\n    """A.\n\n    Args:\n        x: a\n            share.\n    """', []),
        ('def f(x: dict[str, float | None]) -> None:\n    """All of them."""', ["x"]),
        ('def f(*, x: float = 1.0) -> None:\n    """Lose 1 to 8 bytes."""', ["x"]),
        ('def f(x: float) -> None:\n    """Lose ``x`` in the second pass, ``seconds``."""', ["x"]),
        ('def f(*x: float, **y: float) -> None:\n    """Add up."""', ["x", "y"]),
        ('def f(x: float | Literal["seconds"]) -> None:\n    """Wait."""', ["x"]),
        ('def f(x: float) -> None:\n    """A.\n\n    Args:\n        x: a\n\n    Shares.\n    """', ["x"]),
        ('def f() -> float:\n    """How much."""', ["return"]),
        ('def f() -> float:\n    """Decibels of a sound."""', []),
        ('def f() -> float:\n    """Decibels.\n\n    Returns:\n        How much.\n    """', ["return"]),
        ('def f(x: Annotated[float, Option(help="Until then.")]) -> None:\n    """Seconds."""', ["x"]),
        ('def f(x: Annotated[float, Option(help="Until this second.")]) -> None:\n    """Wait."""', []),
        ('class C:\n    """Shares."""\n    x: float\n    y: float', ["x", "y"]),
        (
            'class C:\n    """A.\n\n    Attributes:\n        x, y: shares.\n    """\n    x: float\n    y: float',
            [],
        ),
        ('class C:\n    """A thing."""\n    def __init__(self, x: float) -> None: ...', ["x"]),
        ('class C:\n    """As :class:`NoSuchName`."""\n    weight: float', ["weight"]),
        ('class C:\n    """As :class:`~edge_ser.spec_training.LossSpec`."""\n    focal: float', []),
        ('class C:\n    """As :class:`~edge_ser.spec_training.LossSpec`."""\n    loud: float', ["loud"]),
    ],
)
def test_a_missing_unit_is_found(source: str, lacking: list[str]) -> None:
    [node] = ast.parse(source).body
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    assert list(_without_unit(node)) == lacking


@pytest.mark.parametrize("package", PACKAGES)
def test_errors_that_are_raised_by_name_are_told(package: str) -> None:
    """A public function that raises one of the project's errors in its own body says so under Raises."""
    silent = []
    for path in MODULES:
        if path.relative_to(REPOSITORY).parts[0] != package or "cli" in path.parts:
            continue
        for name in _names(path):
            if isinstance(name.node, ast.FunctionDef) and not name.name.endswith("main"):
                raised = {_raised(each) for each in _own_raises(name.node)} & ERRORS
                told = f"{ast.get_docstring(name.node) or ''}\n{name.context}"
                if _AS.search(told):
                    continue  # the one that it names says it
                lacking = [error for error in sorted(raised) if error not in told]
                if lacking:
                    silent.append(f"{name.place}: {', '.join(lacking)}")
    assert silent == [], "\n".join(silent)


ERRORS = {"InputError", "CheckError", "MissingError"}


def _own_raises(function: ast.FunctionDef) -> Iterator[ast.Raise]:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise):
            yield node
        if isinstance(node, ast.Try):
            # What is raised and caught again in the same function is nobody else's.
            waiting += [child for part in (node.handlers, node.orelse, node.finalbody) for child in part]
        else:
            waiting += ast.iter_child_nodes(node)


def _raised(node: ast.Raise) -> str:
    called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return called.id if isinstance(called, ast.Name) else ""


def _without_unit(node: _DocstringNode, floats: frozenset[str] = _FLOATS) -> Iterator[str]:
    """Amounts of a function or class that neither their name nor the docstring gives a unit; ``return`` is what
    a function gives. An argument of ``__init__`` is told by the class, as everywhere in the project."""
    told = ast.get_docstring(node) or ""
    entries, lead = _parts(told)
    entries |= _below_attributes(node)
    amounts = dict(_amounts(node, floats))
    silent = [
        name
        for name, annotation in amounts.items()
        if name != "return" and name not in entries and not _UNIT_NAME.search(name) and not _helps(annotation)
    ]
    for name, annotation in amounts.items():
        named = getattr(node, "name", "") if name == "return" else name
        if _UNIT_NAME.search(named):
            continue
        if name == "return":
            words = entries.get(name, lead)
        else:
            mentions = [sentence for sentence in re.split(r"(?<=[.;:]) ", lead) if f"``{name}``" in sentence]
            alone = lead if len(silent) == 1 else ""
            words = _helps(annotation) or entries.get(name) or " ".join(mentions) or alone
        if not any(_UNIT.search(_CODE.sub("", each)) for each in (words, _elsewhere(told, name))):
            yield name


def _amounts(node: _DocstringNode, floats: frozenset[str]) -> Iterator[tuple[str, ast.expr]]:
    """Names and annotations of what holds a float: arguments, ``return``, attributes of a class."""
    if isinstance(node, _Function):
        found = [(each.arg, each.annotation) for each in _arguments(node)] + [("return", node.returns)]
    else:
        found = []
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                found.append((each.target.id, each.annotation))
            elif isinstance(each, ast.FunctionDef) and each.name == "__init__":
                found += [(argument.arg, argument.annotation) for argument in _arguments(each)]
    for name, annotation in found:
        if annotation is not None and not name.startswith("_") and _identifiers(annotation) & floats:
            yield name, annotation


def _below_attributes(node: _DocstringNode) -> dict[str, str]:
    """What stands as a string below an attribute of a class."""
    if not isinstance(node, ast.ClassDef):
        return {}
    return {
        each.target.id: told.value.value
        for each, told in itertools.pairwise(node.body)
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and isinstance(told, ast.Expr)
        and isinstance(told.value, ast.Constant)
        and isinstance(told.value.value, str)
    }


def _helps(annotation: ast.expr) -> str:
    """What a command's option says of itself: the docstring of a command says what the command does."""
    said = [
        word.value
        for call in ast.walk(annotation)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg in ("help", "metavar")
    ]
    return " ".join(
        each.value for each in said if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def _parts(told: str) -> tuple[dict[str, str], str]:
    """The entries of Args and Attributes by name, with Returns and Yields as ``return``; and the summary."""
    entries: dict[str, str] = {}
    section, current = "", []
    for line in told.splitlines():
        if (header := _SECTION.match(line)) is not None:
            section, current = header[1], ["return"] if header[1] in ("Returns", "Yields") else []
        elif section in ("Args", "Attributes") and (entry := _ENTRY.match(line)) is not None:
            current = [each.strip("*") for each in entry[1].split(", ")]
            entries |= dict.fromkeys(current, entry[2])
        elif line and not line.startswith(" "):
            section, current = "", []
        else:
            for name in current:
                entries[name] = f"{entries.get(name, '')} {line.strip()}".strip()
    return entries, " ".join(told.partition("\n\n")[0].split())


def _elsewhere(told: str, name: str) -> str:
    """What the docstrings that this one refers to say of the name."""
    found = [_parts(docstring) for docstring in _referred(told)]
    return " ".join(entries.get(name, lead if name == "return" else "") for entries, lead in found)
