"""Builds the portable C front end as a Python extension; all else that there is to say stands in pyproject.toml.

The same files as on the board, with sixteen frames side by side for the vector units of a host. Where no compiler is
present the package installs without it, and the NumPy front end takes over.
"""

import os
from pathlib import Path

from cffi import FFI
from setuptools import setup

CORE = Path("firmware_bridge/core")

os.chdir(Path(__file__).resolve().parent)

builder = FFI()
builder.cdef(
    """
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
    typedef struct { ...; } EserFrontend;
    EserStatus eser_frontend_init(EserFrontend *frontend, const EserFrontendTables *tables);
    void eser_frontend_reset(EserFrontend *frontend);
    size_t eser_frontend_frames(const EserFrontend *frontend, size_t count);
    size_t eser_frontend_feed(EserFrontend *frontend, const int16_t *samples, size_t count, uint16_t *features);
    void eser_quantize_features(const uint16_t *features, uint8_t *values, size_t count, uint16_t low, uint16_t high);
    void eser_centre_channels(uint8_t *segment, size_t frames, size_t channels);
    """
)
builder.set_source(
    "edge_ser.frontend._native",
    '#include "frontend.h"\n#include "net_input.h"\n',
    sources=[str(CORE / name) for name in ("frontend.c", "fft.c", "net_input.c")],
    include_dirs=[str(CORE)],
    depends=[str(header) for header in sorted(CORE.glob("*.h"))],
    define_macros=[("ESER_LANES", "16")],
    extra_compile_args=["-O3"],
)
extension = builder.distutils_extension(tmpdir="build/native")
extension.optional = True

setup(ext_modules=[extension])
