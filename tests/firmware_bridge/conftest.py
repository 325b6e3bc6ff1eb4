"""What the tests of the front end's programs share: the machines, or a skip that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_cases import MachineCases

from edge_ser.errors import MissingError
from firmware_bridge.frontend_job import JobResult
from firmware_bridge.host_process import HostProcess
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.stock import StockHost, StockM7


@pytest.fixture(scope="session")
def cases() -> MachineCases:
    """The jobs that every machine gets."""
    return MachineCases.make()


@pytest.fixture(scope="session")
def host() -> HostProcess:
    """The core as a process, or the test is skipped."""
    try:
        return HostProcess.find()
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def m7() -> QemuM7:
    """The emulated Cortex-M7, or the test is skipped."""
    try:
        return QemuM7.find()
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stock_host() -> StockHost:
    """The stock library as a process, or the test is skipped."""
    try:
        return StockHost.find()
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stock_m7() -> StockM7:
    """The stock library on the emulated Cortex-M7, or the test is skipped."""
    try:
        return StockM7.find()
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which each program is built once; a program takes a folder of its own in it."""
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="session")
def m7_results(m7: QemuM7, cases: MachineCases, builds: Path) -> list[JobResult]:
    """All jobs on the emulated Cortex-M7, in one run."""
    return m7.run(cases.jobs, builds / "m7")


@pytest.fixture(scope="session")
def stock_m7_results(stock_m7: StockM7, cases: MachineCases, builds: Path) -> list[JobResult]:
    """All jobs through the stock library on the emulated Cortex-M7, with our tables, in one run."""
    return stock_m7.run(cases.jobs, builds / "stock-m7", own_tables=False)
