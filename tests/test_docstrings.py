"""Every public name says what it is; what takes or gives arrays says their shape."""

from __future__ import annotations

import ast
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
_ARRAY = re.compile(r"\bNDArray\b|\bndarray\b")


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
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    context: str

    @property
    def place(self) -> str:
        line = getattr(self.node, "lineno", 1)
        return f"{self.path.relative_to(REPOSITORY)}:{line} {self.name}"


@cache
def _names(path: Path) -> tuple[Name, ...]:
    module = ast.parse(path.read_text(encoding="utf-8"))
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


def _arrays(name: Name) -> bool:
    node = name.node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    annotations = [each.annotation for each in arguments] + [node.returns]
    return any(each is not None and _ARRAY.search(ast.unparse(each)) for each in annotations)


@cache
def _all_docstrings() -> dict[str, str]:
    return {
        name.name.rpartition(".")[2]: ast.get_docstring(name.node) or ""
        for path in MODULES
        for name in _names(path)
        if name.name
    }


def _tells_shapes(name: Name) -> bool:
    told = ast.get_docstring(name.node) or ""
    if _SHAPE.search(told):
        return True
    elsewhere = _AS.search(told)
    return elsewhere is not None and (elsewhere[1] or elsewhere[2]).rpartition(".")[2] in _all_docstrings()


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
