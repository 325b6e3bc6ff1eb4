# From a fresh machine to a bundle:  make edgetpu        Tests:  make test
# Another system or corpus:          make edgetpu SYSTEM=crema-d CORPUS=crema-d CORPUS_ROOT=path/to/CREMA-D
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
SYSTEM ?= base
SPEC ?= models/$(SYSTEM).toml
CORPUS ?= synthetic
CORPUS_ROOT ?=
WORDS ?= synthetic-words
WORDS_ROOT ?=
REQUIRE_COMPILER ?=

EDGE_SER ?= $(VENV)/bin/edge-ser
TRAIN_READY ?= $(VENV)/.train
DEV_READY ?= $(VENV)/.dev
RUNTIME_VENV ?= .venv-runtime
# The C front end is built as the package is installed: what it is made of.
NATIVE := setup.py $(wildcard firmware_bridge/core/*.[ch])
C_CODE := $(wildcard firmware_bridge/core/*.[ch] firmware_bridge/boards/*/*.[ch] firmware_bridge/boards/*/*.cc)
COMPILER := $(or $(EDGETPU_COMPILER),$(shell command -v edgetpu_compiler))

PLACE := $(BUILD)/$(SYSTEM)
BUNDLE := $(PLACE)/$(SYSTEM).edgeser
SYNTHETIC := $(PLACE)/synthetic
NEEDS_SYNTHETIC := $(if $(filter synthetic synthetic-words,$(CORPUS) $(WORDS)),$(SYNTHETIC)/corpus.json)
ROOT_OF_CORPUS = $(if $(filter synthetic,$(CORPUS)),$(SYNTHETIC),$(CORPUS_ROOT))
ROOT_OF_WORDS = $(if $(filter synthetic-words,$(WORDS)),$(SYNTHETIC),$(WORDS_ROOT))

in_rooms = $(foreach room,$(1),$(wildcard edge_ser/$(room).py edge_ser/$(room)/*.py))
SYNTHETIC_CODE := $(call in_rooms,acoustics audio) $(wildcard edge_ser/corpora/synthetic*.py edge_ser/corpora/espeak.py)
TRAIN_CODE := $(call in_rooms,acoustics audio augment spec* frontend networks training) edge_ser/cli/train.py
QUANTIZE_CODE := $(call in_rooms,bundle bundle_card bundle_controls bundle_float bundle_shipped integer_head quantization runtime evaluation) edge_ser/cli/quantize.py
EDGETPU_CODE := $(call in_rooms,edgetpu)

# What make cannot see in a file's date: which corpus and which compiler were asked for.
CONFIG = $(CORPUS) $(ROOT_OF_CORPUS) $(WORDS) $(ROOT_OF_WORDS)

worked = touch $(PLACE)/.worked

.PHONY: edgetpu base base-bundle test lint format budget show bench report firmware flash constraints docs docs-rules docs-results m7-deps stock clean distclean help FORCE

help:
	@sed -n '1,2s/^# //p' Makefile; echo 'Also: make lint, make budget, make show, make bench, make report, make firmware and make flash (CORALMICRO=path), make m7-deps (emulated Cortex-M7), make stock, make clean (build/), make distclean (environments too)'

edgetpu: $(PLACE)/budget.json
	@if [ -e $(PLACE)/.worked ]; then rm $(PLACE)/.worked; else echo 'Nothing changed: no work was done.'; fi
	@$(EDGE_SER) show $(BUNDLE) $(if $(REQUIRE_COMPILER),--require-compiled)
	@$(EDGE_SER) budget $(BUNDLE) >/dev/null

$(TRAIN_READY): pyproject.toml constraints.txt $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'edge-ser needs Python 3.11 or newer; set PYTHON=python3.11' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,micro,plot]'
	touch $@

$(DEV_READY): $(TRAIN_READY)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,micro,plot,dev]'
	touch $@

# The package without any extra: proves that the runtime, the checks and the budget need neither TensorFlow nor scipy.
$(RUNTIME_VENV)/.ready: pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv --clear $(RUNTIME_VENV)
	$(RUNTIME_VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(PLACE)/config: FORCE
	@mkdir -p $(PLACE)
	@echo '$(CONFIG)' | cmp -s - $@ || echo '$(CONFIG)' > $@

$(PLACE)/compiler: FORCE
	@mkdir -p $(PLACE)
	@echo '$(COMPILER)' | cmp -s - $@ || echo '$(COMPILER)' > $@

$(SYNTHETIC)/corpus.json: $(SPEC) models/base.toml $(SYNTHETIC_CODE) | $(TRAIN_READY)
	$(EDGE_SER) corpus synth --spec $(SPEC) -o $(SYNTHETIC)
	@$(worked)

$(PLACE)/train.json: $(SPEC) models/base.toml $(PLACE)/config $(NEEDS_SYNTHETIC) $(TRAIN_CODE) | $(TRAIN_READY)
	@if [ -z '$(ROOT_OF_CORPUS)' ]; then echo 'CORPUS=$(CORPUS) needs CORPUS_ROOT=folder of the corpus' >&2; exit 2; fi
	@if [ -z '$(ROOT_OF_WORDS)' ]; then echo 'WORDS=$(WORDS) needs WORDS_ROOT=folder of the keyword corpus' >&2; exit 2; fi
	$(EDGE_SER) train $(SPEC) --corpus $(CORPUS) --root '$(ROOT_OF_CORPUS)' --words-corpus $(WORDS) --words-root '$(ROOT_OF_WORDS)' -o $(PLACE)
	@$(worked)

$(PLACE)/int8.edgeser: $(PLACE)/train.json $(QUANTIZE_CODE)
	$(EDGE_SER) quantize $(PLACE) -o $@
	@$(worked)

$(PLACE)/check.json: $(PLACE)/int8.edgeser $(EDGETPU_CODE)
	$(EDGE_SER) check $< --json > $@
	@$(worked)

# Exit 3 says that there is no compiler: the bundle is then the int8 one, which runs on any CPU.
$(BUNDLE): $(PLACE)/int8.edgeser $(PLACE)/check.json $(PLACE)/compiler
	@$(EDGE_SER) compile $< -o $@ || [ $$? -eq 3 ]
	@$(worked)

# Over budget is said after the table, not instead of it.
$(PLACE)/budget.json: $(BUNDLE)
	@$(EDGE_SER) budget $< --json > $@ || [ $$? -eq 1 ]
	@$(worked)

budget:
	$(EDGE_SER) budget $(BUNDLE)

show:
	$(EDGE_SER) show $(BUNDLE)

bench:
	$(EDGE_SER) bench $(BUNDLE)

# One page for people, in $(PLACE)/report; more on it: REPORT_ARGS='--bench bench.json --scores scores.json --example a.wav'
REPORT_ARGS ?=
report:
	$(EDGE_SER) report $(BUNDLE) -o $(PLACE)/report $(if $(wildcard $(PLACE)/*/log.jsonl),--training $(PLACE)) $(REPORT_ARGS)

# An application for the Coral Dev Board Micro. Builds it where CORALMICRO names a checkout of the SDK: for the Edge TPU,
# or with CPU_FALLBACK=ON for the Cortex-M7 alone.
CORALMICRO ?=
CPU_FALLBACK ?= OFF
FIRMWARE := $(PLACE)/firmware
FIRMWARE_OUT := $(PLACE)/firmware-out-$(CPU_FALLBACK)
flashtool = $(PYTHON) '$(CORALMICRO)/scripts/flashtool.py' --build_dir '$(FIRMWARE_OUT)' --elf_path '$(FIRMWARE_OUT)/edge_ser' $(FLASH_ARGS)
firmware: | $(TRAIN_READY)
	$(EDGE_SER) firmware $(BUNDLE) -o $(FIRMWARE)
ifneq ($(CORALMICRO),)
	cmake -S $(FIRMWARE) -B $(FIRMWARE_OUT) -DCORALMICRO='$(abspath $(CORALMICRO))' -DCPU_FALLBACK=$(CPU_FALLBACK)
	cmake --build $(FIRMWARE_OUT) --target edge_ser --parallel
else
	@echo 'Written, not built: give the SDK, CORALMICRO=path (github.com/google-coral/coralmicro, with submodules).' >&2
endif

# Prints the command and runs it; `make --dry-run flash` and DRY_RUN=1 only print it.
DRY_RUN ?=
FLASH_ARGS ?=
flash:
	@if [ -z '$(CORALMICRO)' ]; then echo 'flash needs the SDK: CORALMICRO=path (github.com/google-coral/coralmicro)' >&2; exit 2; fi
	@echo "$(flashtool)"
	@if [ -z '$(DRY_RUN)' ]; then \
	  if [ ! -e '$(FIRMWARE_OUT)/edge_ser' ]; then echo '$(FIRMWARE_OUT)/edge_ser is not there: make firmware CORALMICRO=path first' >&2; exit 3; fi; \
	  $(flashtool); fi

# The original C library, which judges the front end; without the package index its tests skip.
stock: $(DEV_READY)
	$(VENV)/bin/python -m firmware_bridge.stock

# Two workers on two cores: a library that starts threads of its own would only be in their way.
test: $(DEV_READY) $(RUNTIME_VENV)/.ready
	@$(VENV)/bin/python -m firmware_bridge.stock >/dev/null || echo 'Without it the tests against the stock front end skip.' >&2
	OPENBLAS_NUM_THREADS=1 EDGE_SER_RUNTIME_PYTHON=$(abspath $(RUNTIME_VENV)/bin/python) $(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(DEV_READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/clang-format --dry-run --Werror $(C_CODE)
	$(VENV)/bin/mypy

format: $(DEV_READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/clang-format -i $(C_CODE)

# The manual of the mapping rules, from the rules themselves.
docs-rules: $(DEV_READY)
	$(VENV)/bin/python tools/rules_manual.py

# The bundle that ships, every step of it, from CREMA-D and what two encoders on the package index say of it:
#   make base CREMA_D=path [EVALUATE='emo-db=EMO-DB urdu=URDU'] [SHIP='-o another.edgeser']
# ENCODER and SPEAKER_ENCODER name other copies of the encoders' files; ENCODERS_VENV an environment to hear them in.
CREMA_D ?=
EVALUATE ?=
SHIP ?=
ENCODER_FILES := $(BUILD)/encoders
ENCODERS_VENV ?= .venv-encoders
ENCODER ?= $(ENCODER_FILES)/moonshine_voice/assets/tiny-en/encoder_model.ort
SPEAKER_ENCODER ?= $(ENCODER_FILES)/resemblyzer/pretrained.pt
VARIED := $(BUILD)/varied-crema-d
SPEECH := $(BUILD)/speech-crema-d
WITH_COPIES := --source folder=$(VARIED)

# Through the system "shipped", whose own recipe makes the synthetic words.
base: | $(TRAIN_READY)
	@if [ ! -d '$(CREMA_D)' ]; then echo 'base needs CREMA_D=folder of CREMA-D; found: "$(CREMA_D)"' >&2; exit 2; fi
	$(MAKE) base-bundle SYSTEM=shipped CORPUS=crema-d CORPUS_ROOT='$(CREMA_D)'

base-bundle: $(SYNTHETIC)/corpus.json $(SPEECH).edgeser
	$(VENV)/bin/python tools/ship_base.py $(SPEC) --corpus 'crema-d=$(CREMA_D)' --words 'synthetic-words=$(SYNTHETIC)' \
	  --folder $(PLACE)/ship --teacher-licence 'MIT (Moonshine), Apache-2.0 (Resemblyzer)' $(EVALUATE:%=--evaluate %) \
	  $(patsubst %,--train-option=%,$(WITH_COPIES) --start $(SPEECH).edgeser) $(SHIP)

$(SPEECH).edgeser: models/speech-shipped.toml $(BUILD)/.heard-crema-d $(SYNTHETIC)/corpus.json models/speech.toml $(TRAIN_CODE) $(QUANTIZE_CODE)
	$(EDGE_SER) train $< --corpus crema-d --root '$(CREMA_D)' $(WITH_COPIES) --words-root '$(SYNTHETIC)' -o $(SPEECH)
	$(EDGE_SER) quantize $(SPEECH) -o $@

$(VARIED)/clips.csv: tools/vary_corpus.py | $(TRAIN_READY)
	rm -rf $(VARIED)
	$(VENV)/bin/python tools/vary_corpus.py 'crema-d=$(CREMA_D)' -o $(VARIED)

# A mark beside the vectors: they are kept while they grow, so that hearing goes on where it stopped.
$(BUILD)/.heard-crema-d: tools/speech_vectors.py $(VARIED)/clips.csv | $(ENCODERS_VENV)/.ready $(ENCODER) $(SPEAKER_ENCODER)
	$(ENCODERS_VENV)/bin/python tools/speech_vectors.py '$(CREMA_D)' $(VARIED) --encoder '$(ENCODER)' \
	  --speaker-encoder '$(SPEAKER_ENCODER)' -o $(BUILD)/speech-vectors.npz
	touch $@

$(ENCODERS_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(ENCODERS_VENV)
	$(ENCODERS_VENV)/bin/pip install --quiet --disable-pip-version-check -e . onnxruntime torch librosa
	touch $@

# Wheels that hold one file each that is wanted; nothing of them is installed or run.
$(ENCODER_FILES)/%: | $(TRAIN_READY)
	mkdir -p $(ENCODER_FILES)
	$(VENV)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps -d $(ENCODER_FILES) moonshine-voice==0.0.73 Resemblyzer==0.1.4
	for wheel in $(ENCODER_FILES)/*.whl; do $(VENV)/bin/python -m zipfile -e "$$wheel" $(ENCODER_FILES); done
	test -e '$@'

# The page of scores, from the reports kept in docs/results.
docs-results: $(DEV_READY)
	$(VENV)/bin/python tools/results.py

# The manual, into build/site; links and anchors are checked, and a warning is an error. Opens from disk.
docs: $(DEV_READY)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet

# Every extra, newest versions that pyproject.toml allows, in an environment of its own.
constraints:
	rm -rf $(BUILD)/constraints && $(PYTHON) -m venv $(BUILD)/constraints
	$(BUILD)/constraints/bin/pip install --quiet --disable-pip-version-check '.[train,plot,mic,board,micro,docs,dev]'
	{ sed -n '/^#/p' constraints.txt; $(BUILD)/constraints/bin/pip freeze --exclude edge-ser | sort -f; } > constraints.part
	mv constraints.part constraints.txt

clean:
	rm -rf $(BUILD)

distclean: clean
	rm -rf $(VENV) $(RUNTIME_VENV) edge_ser.egg-info

# The emulated Cortex-M7: compiler, C library and emulator, Debian's packages.
m7-deps:
	@if [ "$$(id -u)" -ne 0 ]; then echo 'm7-deps installs Debian packages: run it as root (sudo make m7-deps)' >&2; exit 2; fi
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm

FORCE:
