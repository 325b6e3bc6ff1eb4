"""What made a result, kept in it: the command, and the system and the source as digests."""

from __future__ import annotations

import json
from typing import Any

from edge_ser.files import sha256_hex
from edge_ser.provenance import code_digest, commit, versions
from edge_ser.spec import SystemSpec

_PACKAGE = "."
"""The whole package: a table depends on more of it than a fold's numbers do."""


def origin(spec: SystemSpec, command: str) -> dict[str, Any]:
    """The keys of a report that say where it comes from, ready for JSON; to be asked for before the work.

    Args:
        spec: the system that is scored.
        command: the command line, without the folders of this machine.

    Returns:
        ``command``, ``spec_sha256`` (of the spec as JSON with sorted keys), ``code_sha256`` (of the package's
        source), ``commit`` and ``versions``.
    """
    return {
        "command": command,
        "spec_sha256": sha256_hex(json.dumps(spec.to_dict(), sort_keys=True).encode()),
        "code_sha256": code_digest((_PACKAGE,)),
        "commit": commit(),
        "versions": versions(),
    }
