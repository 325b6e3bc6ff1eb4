"""The memory regions of a GNU linker script: names, origins and lengths, with the script's own arithmetic.

Only what the scripts of the RT1176 use is read (https://sourceware.org/binutils/docs/ld/Expressions.html): numbers,
symbols, ``+ - * / ( )``, ``ORIGIN``, ``LENGTH``, and ``DEFINED(symbol) ? a : b``. Nothing is evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from edge_ser.errors import InputError

_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"^\s*(\w+)\s*=\s*([^;{}]+);", re.MULTILINE)
_MEMORY: Final = re.compile(r"\bMEMORY\s*\{([^}]*)\}")
_REGION: Final = re.compile(
    r"(\w+)\s*(?:\([^)]*\))?\s*:\s*ORIGIN\s*=\s*(.+?)\s*,\s*LENGTH\s*=\s*([^\n]+)", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"\s*(0[xX][0-9a-fA-F]+|\d+|\w+|[-+*/()?:])\s*")
_NUMBER: Final = re.compile(r"(0[xX][0-9a-fA-F]+|\d+)([KkMm]?)")
_SCRIPT_LIMIT: Final = 1 << 20
_DEPTH_LIMIT: Final = 64


@dataclass(frozen=True)
class Region:
    """A piece of memory.

    Attributes:
        name: in the script.
        origin: first address.
        length: bytes.
    """

    name: str
    origin: int
    length: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.origin + self.length

    def holds(self, address: int) -> bool:
        """Whether an address lies in it."""
        return self.origin <= address < self.end


def read_regions(script: str, defined: Mapping[str, int], source: str) -> dict[str, Region]:
    """The regions of a linker script, by name.

    Args:
        script: its text.
        defined: symbols that the linker's command line sets (``--defsym``).
        source: what to call it in an error.

    Raises:
        InputError: it has no MEMORY, or says it in a way that is not understood.
    """
    text = _COMMENT.sub(" ", script[:_SCRIPT_LIMIT])
    memory = _MEMORY.search(text)
    if memory is None:
        message = f"{source}: has no MEMORY {{ ... }}; expected the linker script of an image"
        raise InputError(message)
    symbols = dict(defined)
    regions: dict[str, Region] = {}
    for match in _ASSIGNMENT.finditer(text[: memory.start()]):
        symbols[match.group(1)] = _Expression(match.group(2), symbols, regions, source).value()
    for match in _REGION.finditer(memory.group(1)):
        name, origin, length = match.groups()
        regions[name] = Region(
            name,
            _Expression(origin, symbols, regions, source).value(),
            _Expression(length, symbols, regions, source).value(),
        )
    if not regions:
        message = (
            f"{source}: MEMORY names no region that can be read; expected name (RX) : ORIGIN = a, LENGTH = b"
        )
        raise InputError(message)
    return regions


class _Expression:
    """One expression, by recursive descent."""

    def __init__(
        self, text: str, symbols: Mapping[str, int], regions: Mapping[str, Region], source: str
    ) -> None:
        self._text, self._symbols, self._regions, self._source = text.strip(), symbols, regions, source
        self._tokens = self._split()
        self._place = 0
        self._depth = 0

    def value(self) -> int:
        result = self._choice()
        if self._place != len(self._tokens):
            self._fail()
        return result

    def _split(self) -> list[str]:
        tokens, place = [], 0
        while place < len(self._text):
            match = _TOKEN.match(self._text, place)
            if match is None:
                self._fail()
            tokens.append(match.group(1))
            place = match.end()
        return tokens

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            self._fail()
        self._place += 1
        return self._tokens[self._place - 1]

    def _at(self, *wanted: str) -> bool:
        return self._place < len(self._tokens) and self._tokens[self._place] in wanted

    def _expect(self, wanted: str) -> None:
        if self._next() != wanted:
            self._fail()

    def _choice(self) -> int:
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            self._fail()
        condition = self._sum()
        if self._at("?"):
            self._next()
            first = self._choice()
            self._expect(":")
            second = self._choice()
            condition = first if condition else second
        self._depth -= 1
        return condition

    def _sum(self) -> int:
        result = self._product()
        while self._at("+", "-"):
            sign = self._next()
            right = self._product()
            result = result + right if sign == "+" else result - right
        return result

    def _product(self) -> int:
        result = self._atom()
        while self._at("*", "/"):
            sign = self._next()
            right = self._atom()
            if sign == "/" and right == 0:
                self._fail()
            result = result * right if sign == "*" else result // right
        return result

    def _atom(self) -> int:
        token = self._next()
        if token == "(":
            result = self._choice()
            self._expect(")")
            return result
        if token in ("DEFINED", "ORIGIN", "LENGTH"):
            self._expect("(")
            name = self._next()
            self._expect(")")
            if token == "DEFINED":
                return int(name in self._symbols)
            if name not in self._regions:
                self._fail()
            region = self._regions[name]
            return region.origin if token == "ORIGIN" else region.length
        number = _NUMBER.fullmatch(token + (self._next() if self._suffix() else ""))
        if number is not None:
            return int(number.group(1), 0) * {"": 1, "k": 1 << 10, "m": 1 << 20}[number.group(2).lower()]
        # The branch that is not taken may name a symbol that is not there; it counts as 0.
        if not re.fullmatch(r"[A-Za-z_]\w*", token):
            self._fail()
        return self._symbols.get(token, 0)

    def _suffix(self) -> bool:
        """Whether the number just read has its K or M as a token of its own."""
        before = self._tokens[self._place - 1]
        return before[0].isdigit() and self._at("K", "k", "M", "m")

    def _fail(self) -> NoReturn:
        message = (
            f"{self._source}: cannot read {self._text[:80]!r}; expected numbers, symbols, + - * / and DEFINED"
        )
        raise InputError(message)
