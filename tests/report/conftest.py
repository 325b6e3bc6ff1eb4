"""A report with everything in it, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_cases import bench, exam, parity, recording, training, trial, written

from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.report.contents import Report
from edge_ser.report.gather import gather
from edge_ser.report.sources import Sources


@pytest.fixture(scope="session")
def full_sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Every kind of file that a report can be made from."""
    folder = tmp_path_factory.mktemp("report")
    build = read_bundle(SHIPPED).build_id
    return Sources(
        bench=(
            written(folder / "here.json", bench(build)),
            written(folder / "other.json", bench("cd" * 32, kind="virtual", backend="host")),
        ),
        scores=(
            written(folder / "exam.json", exam(build, corpus="synthetic", synthetic=True)),
            written(folder / "base.json", trial("base", {"1": 0.5, "2": 0.6})),
            written(folder / "wide.json", trial("wide", {"1": 0.6, "2": 0.65})),
        ),
        parity=written(folder / "parity.json", parity()),
        training=training(folder / "trained"),
        examples=(recording(folder / "voice.wav"), recording(folder / "long.wav", 21.0)),
    )


@pytest.fixture(scope="session")
def full(full_sources: Sources) -> Report:
    """The shipped bundle with every kind of file beside it."""
    return gather(SHIPPED, full_sources)


@pytest.fixture(scope="session")
def bare() -> Report:
    """The shipped bundle with nothing beside it."""
    return gather(SHIPPED, Sources())


@pytest.fixture(scope="session")
def page(full: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full report as a file."""
    from edge_ser.report.html import html_page

    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_bytes(html_page(full))
    return path
