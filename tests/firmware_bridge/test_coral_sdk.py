"""Building with an SDK and reading what is left of each memory: on a made-up SDK, and on a real one where named."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from coral_cases import HERE, forwarding_headers, stand_in_bundle, with_compiled

from edge_ser.bundle import write_bundle
from edge_ser.errors import InputError, MissingError
from firmware_bridge.app_folder import write_app_folder
from firmware_bridge.coral_sdk import LINKER_SCRIPT, CoralSdk
from firmware_bridge.elf_image import ElfImage, Section, read_elf
from firmware_bridge.generate import firmware_app
from firmware_bridge.image_check import EDGE_TPU_SYMBOL, SYMBOLS, check_image
from firmware_bridge.linker_script import Region, read_regions

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / "tools" / "check_coral_app.py"

SCRIPT = """
/* m_lost (RW) : ORIGIN = 1, LENGTH = 1 */
ENTRY(app_main)
HEAP_SIZE = DEFINED(__heap_size__) ? __heap_size__ : 0x01000000;
SHARED = DEFINED(__use_shmem__) ? 2 * 0x1000 : 0;
NCACHE = 32K;
MEMORY
{
  m_text (RX) : ORIGIN = 0x00000c00, LENGTH = 0x0003F400
  m_data (RW) : ORIGIN = 0x20000000 + NCACHE, LENGTH = 0x00040000 - NCACHE
  shared (RW) : ORIGIN = ORIGIN(m_data) + LENGTH(m_data), LENGTH = SHARED
  m_sdram (RX) : ORIGIN = 0x80000000 + HEAP_SIZE, LENGTH = (0x03000000 - HEAP_SIZE) / 1
}
SECTIONS
{
  .text : { *(.text*) *(.rodata*) *(.ARM*) *(.init_array*) } > m_text
  end_of_text = .;
  .data : AT(end_of_text) { *(.data*) } > m_data
  .bss : { *(.bss*) *(COMMON) } > m_data
  .sdram_bss (NOLOAD) : { *(.sdram_bss*) } > m_sdram
}
"""

TOOLCHAIN = """
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
get_filename_component(SDK "${CMAKE_CURRENT_LIST_DIR}/.." REALPATH)
set(TOOLS ${SDK}/third_party/toolchain-linux/gcc-arm-none-eabi-9-2020-q2-update/bin)
set(CMAKE_C_COMPILER ${TOOLS}/arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER ${TOOLS}/arm-none-eabi-g++)
set(FLAGS "-mthumb -mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-d16 -Os -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS "${FLAGS}" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS "${FLAGS} -fno-exceptions -fno-rtti" CACHE STRING "" FORCE)
function(add_executable_m7)
  cmake_parse_arguments(M7 "" "" "DATA" ${ARGN})
  foreach(path IN LISTS M7_DATA)
    if(NOT EXISTS ${path})
      message(FATAL_ERROR "${path} is not there")
    endif()
  endforeach()
  add_executable(${M7_UNPARSED_ARGUMENTS})
  target_include_directories(${ARGV0} PRIVATE ${SDK} ${SDK}/stub)
  target_link_options(${ARGV0} PRIVATE -nostartfiles -T${SDK}/libs/nxp/rt1176-sdk/MIMXRT1176xxxxx_cm7_ram.ld
    -Wl,--unresolved-symbols=ignore-all -Wl,--defsym=__dso_handle=0)
endfunction()
"""

LIBRARIES = """
cmake_minimum_required(VERSION 3.18)
project(MadeUpSdk)
add_library(libs_base-m7_freertos INTERFACE)
add_library(libs_audio_freertos INTERFACE)
add_library(libs_rpc_http_server INTERFACE)
"""


@pytest.fixture(scope="module")
def made_up_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with the names that are looked for and stub headers: enough to compile and link, not to run."""
    root = tmp_path_factory.mktemp("sdk")
    app = root.parent / f"{root.name}-app"
    write_app_folder(app, firmware_app(with_compiled(stand_in_bundle())).files)
    forwarding_headers(app, root)
    (root / "stub").mkdir()
    shutil.copy(HERE / "coral_stub.h", root / "stub")
    files = {
        "cmake/toolchain-arm-none-eabi-gcc.cmake": TOOLCHAIN,
        "CMakeLists.txt": LIBRARIES,
        str(LINKER_SCRIPT): SCRIPT,
        "third_party/freertos_kernel/tasks.c": "",
        "third_party/nxp/rt1176-sdk/devices/MIMXRT1176/drivers/fsl_pdm.c": "",
        "third_party/tflite-micro/tensorflow/lite/micro/micro_interpreter.h": '#include "coral_stub.h"\n',
        "third_party/mjson/src/mjson.c": "",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def _run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments], capture_output=True, text=True, timeout=600, check=False
    )


def test_regions_of_a_script() -> None:
    regions = read_regions(SCRIPT, {"__use_shmem__": 1}, "script.ld")
    assert list(regions.values()) == [
        Region("m_text", 0xC00, 0x3F400),
        Region("m_data", 0x20008000, 0x38000),
        Region("shared", 0x20040000, 0x2000),
        Region("m_sdram", 0x81000000, 0x2000000),
    ]
    assert read_regions(SCRIPT, {"__heap_size__": 0x100}, "script.ld")["m_sdram"].origin == 0x80000100
    assert read_regions(SCRIPT, {}, "script.ld")["shared"].length == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MEMORY { }",
        "MEMORY\n{\n a (RX) : ORIGIN = 1 / 0, LENGTH = 1\n}",
        "MEMORY\n{\n a (RX) : ORIGIN = __import__('os'), LENGTH = 1\n}",
        "MEMORY\n{\n a (RX) : ORIGIN = ORIGIN(b), LENGTH = 1\n}",
        f"MEMORY\n{{\n a (RX) : ORIGIN = {'(' * 500}1{')' * 500}, LENGTH = 1\n}}",
    ],
)
def test_what_is_no_script_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^script\.ld: "):
        read_regions(text, {}, "script.ld")


def _image(*sections: Section) -> ElfImage:
    return ElfImage(sections, frozenset([*SYMBOLS, EDGE_TPU_SYMBOL]))


def test_what_is_left_of_each_region() -> None:
    regions = read_regions(SCRIPT, {}, "script.ld")
    text = Section(".text", 0xC00, 200_000, 0xC00)
    data = Section(".data", 0x20008000, 1000, 0xC00 + 200_000)
    bss = Section(".bss", 0x20008000 + 1000, 50_000, None)
    report = check_image(_image(text, data, bss), regions, edge_tpu=True)
    assert report.problems == ()
    left = {use.region.name: use.left for use in report.uses}
    # What variables start from waits behind the program and is not to be forgotten.
    assert left["m_text"] == 0x3F400 - 201_000
    assert left["m_data"] == 0x38000 - 51_000
    assert left["m_sdram"] == 0x2000000


def test_too_little_left_and_things_that_are_missing_are_said() -> None:
    regions = read_regions(SCRIPT, {}, "script.ld")
    text = Section(".text", 0xC00, 0x3F400 - 9_999, 0xC00)
    far = Section(".ocram_bss", 0x20240000, 16, None)
    image = ElfImage((text, far), frozenset(SYMBOLS.keys() - {"app_main"}))
    problems = check_image(image, regions, edge_tpu=True).problems
    assert any("m_text: 9999 bytes left; expected at least 10000" in problem for problem in problems)
    assert any(".ocram_bss at 0x20240000 lies in no region" in problem for problem in problems)
    assert any("the application is not in the image" in problem for problem in problems)
    assert any("the Edge TPU is not in the image" in problem for problem in problems)
    assert len(problems) == 4


@pytest.mark.parametrize("cut", [0, 3, 20, 51, 60, 200])
def test_cut_images_are_refused(tmp_path: Path, cut: int) -> None:
    header = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 40, 1, 0, 0, 52, 0, 52, 32, 0, 40, 4, 3
    )
    path = tmp_path / "image"
    path.write_bytes((header + bytes(160))[:cut] if cut < 200 else header + b"\xff" * 160)
    with pytest.raises(InputError, match="no whole 32-bit little-endian ELF file"):
        read_elf(path)


def test_no_sdk_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="CORALMICRO=path"):
        CoralSdk.find(None)
    with pytest.raises(MissingError, match=r"lacks cmake/toolchain-arm-none-eabi-gcc\.cmake"):
        CoralSdk.find(tmp_path)
    for arguments in ((), (str(tmp_path),)):
        done = _run_tool(*arguments)
        assert done.returncode == 3
        assert "git clone --recurse-submodules" in done.stderr


@pytest.mark.parametrize("build", ["cpu", "tpu"])
def test_tool_builds_outside_of_the_checkout(made_up_sdk: Path, tmp_path: Path, build: str) -> None:
    for tool in ("cmake", "arm-none-eabi-g++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: make m7-deps (Debian: cmake)")
    before = sorted(path.relative_to(made_up_sdk).as_posix() for path in made_up_sdk.rglob("*"))
    write_bundle(tmp_path / "any.edgeser", stand_in_bundle())
    place = tmp_path / "build"
    done = _run_tool(
        *(str(made_up_sdk), "--bundle", str(tmp_path / "any.edgeser")),
        *("--build", str(place), "--only", build, "--jobs", "2", "--json"),
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)[build]
    # The made-up SDK has nothing behind its headers, and the tool sees just that.
    wanted = {"the microphone", "TensorFlow Lite Micro"} | ({"the Edge TPU"} if build == "tpu" else set())
    assert {problem.split(" is not in the image")[0] for problem in told["problems"]} == wanted
    text, sdram = told["regions"]["m_text"], told["regions"]["m_sdram"]
    assert 5_000 < text["used"] < 80_000
    assert sdram["sections"][".sdram_bss"] > 2_000_000
    assert told["regions"]["m_data"]["left"] > 200_000
    assert sorted(path.relative_to(made_up_sdk).as_posix() for path in made_up_sdk.rglob("*")) == before


def test_application_fits_a_real_sdk(tmp_path: Path) -> None:
    """Compiles the whole SDK: minutes. EDGE_SER_CORALMICRO names a checkout."""
    root = os.environ.get("EDGE_SER_CORALMICRO")
    if root is None:
        pytest.skip("EDGE_SER_CORALMICRO does not name a coralmicro checkout with its submodules")
    done = _run_tool(root, "--build", str(tmp_path / "build"))
    assert done.returncode == 0, done.stderr
