"""Builds the portable C core as Python extensions; all else that there is to say stands in pyproject.toml.

The same files as on the board: the front end for whole recordings, with sixteen frames side by side for the vector
units of a host, and the listener, which takes frames as they come. Where no compiler is present the package installs
without them, and NumPy and Python take over.
"""

import os
from pathlib import Path

from cffi import FFI
from setuptools import setup

CORE = Path("firmware_bridge/core")

os.chdir(Path(__file__).resolve().parent)

TABLES = """
    typedef struct {
      uint16_t window_samples, step_samples, fft_size, channels;
      const int16_t *window, *twiddles, *real_twiddles, *band_edges, *band_weights, *band_unweights, *gain_table;
      const uint16_t *log_table;
      uint16_t even_smoothing, odd_smoothing, min_signal_remaining;
      uint8_t noise_reduction, pcan, log, smoothing_bits, snr_shift, log_shift;
      uint16_t feature_low, feature_high;
      ...;
    } EserFrontendTables;
    typedef enum { ESER_OK, ESER_TOO_LARGE, ESER_INVALID_TABLES, ... } EserStatus;
"""
FRONTEND = """
    typedef struct { ...; } EserFrontend;
    EserStatus eser_frontend_init(EserFrontend *frontend, const EserFrontendTables *tables);
    void eser_frontend_reset(EserFrontend *frontend);
    size_t eser_frontend_frames(const EserFrontend *frontend, size_t count);
    size_t eser_frontend_feed(EserFrontend *frontend, const int16_t *samples, size_t count, uint16_t *features);
    void eser_quantize_features(const uint16_t *features, uint8_t *values, size_t count, uint16_t low, uint16_t high);
    void eser_centre_channels(uint8_t *segment, size_t frames, size_t channels);
"""
LISTENER = """
    typedef struct {
      uint16_t segment_frames, hop_frames, keyword_frames, keyword_embedding, keyword_windows;
      const uint16_t *keyword_starts;
      uint16_t slots;
      ...;
    } EserSchedule;
    typedef struct { uint16_t step_samples; uint32_t power, hangover_frames; uint8_t enabled; ...; } EserGateRule;
    typedef struct { uint8_t classes, decisions; uint32_t hysteresis, least; ...; } EserSmoothingRule;
    typedef struct { const int16_t *weights; const int32_t *bias; size_t classes, inputs; ...; } EserIntegerHead;
    typedef struct { uint32_t multiplier; uint8_t shift; ...; } EserSteps;
    typedef struct {
      const EserFrontendTables *tables;
      EserSchedule schedule;
      EserGateRule gate;
      EserSmoothingRule smoothing;
      EserIntegerHead fusion, words;
      EserSteps fusion_steps, words_steps;
      const uint16_t *powers;
      uint32_t abstain, keyword_share;
      uint8_t centre_channels;
      uint8_t build_id[...];
      ...;
    } EserSystem;
    typedef struct {
      uint8_t *ring, *windows;
      uint32_t *slot_windows;
      uint8_t *fused;
      int32_t *word_scores;
      uint32_t *word_shares, *history;
      uint16_t *features;
      ...;
    } EserListenerMemory;
    typedef struct { ...; } EserListener;
    typedef struct { ...; } EserRecord;
    typedef enum { ESER_NOTHING, ESER_KEYWORD, ESER_ACOUSTIC, ESER_RECORD, ... } EserDue;
    EserStatus eser_listener_init(EserListener *listener, const EserSystem *system, const EserListenerMemory *memory);
    void eser_listener_reset(EserListener *listener);
    size_t eser_listener_feed(EserListener *listener, const int16_t *samples, size_t count);
    EserDue eser_listener_due(const EserListener *listener);
    uint32_t eser_listener_frame(const EserListener *listener);
    void eser_listener_fill(const EserListener *listener, uint8_t *input);
    void eser_listener_embedding(EserListener *listener, const uint8_t *embedding);
    void eser_listener_fail(EserListener *listener);
    void eser_listener_record(EserListener *listener, EserRecord *record);
    size_t eser_record_encode(const EserRecord *record, uint8_t *bytes);
    #define ESER_RECORD_MAX_BYTES ...
"""
FRONTEND_FILES = ("frontend.c", "fft.c", "net_input.c")
LISTENER_FILES = (
    "listener.c",
    "gate.c",
    "scheduler.c",
    "shares.c",
    "smoothing.c",
    "record.c",
    "crc32.c",
    "integer_head.c",
)


def extension(name: str, declarations: str, header: str, sources: tuple[str, ...], lanes: int) -> object:
    """One extension over files of the core; a failure to build it is none of the package's."""
    builder = FFI()
    builder.cdef(declarations)
    builder.set_source(
        name,
        f'#include "{header}"\n#include "net_input.h"\n',
        sources=[str(CORE / source) for source in sources],
        include_dirs=[str(CORE)],
        depends=[str(header) for header in sorted(CORE.glob("*.h"))],
        define_macros=[("ESER_LANES", str(lanes))],
        extra_compile_args=["-O3"],
    )
    made = builder.distutils_extension(tmpdir=f"build/native/{name}")
    made.optional = True
    return made


setup(
    ext_modules=[
        extension("edge_ser.frontend._native", TABLES + FRONTEND, "frontend.h", FRONTEND_FILES, 16),
        extension(
            "edge_ser.runtime._native", TABLES + LISTENER, "listener.h", FRONTEND_FILES + LISTENER_FILES, 1
        ),
    ]
)
