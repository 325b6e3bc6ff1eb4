"""What the dataclasses of a spec have in common."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict


class Strict:
    """Makes pydantic refuse unknown keys and wrong types in the dataclasses of a spec."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
