# `make help` lists the targets; scripts/setup finds Python and Rust, CONTRIBUTING.md explains the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

TARGET := $(CURDIR)/target
BINARY := $(TARGET)/debug/monopod
PYTHON_FILE := $(TARGET)/setup/python
TOOLS_VENV := $(TARGET)/tools-venv
TEST_VENV := $(TARGET)/test-venv
EXAMPLE_VENV := $(TARGET)/example-venv
APM_VENV := $(TARGET)/apm-venv
TEST_WHEEL := $(TARGET)/test-wheel
IMAGE_PARTS := $(TARGET)/image
CARGO_FUZZ := $(TARGET)/tools/bin/cargo-fuzz
BIND ?= 127.0.0.1:8000
# Each target of `make fuzz` runs so many seconds; without names all run. The other sanitizer is `address`.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
FUZZ_SANITIZER ?= none
# `make bench` with another Python than the one everything else is built for, such as ~/.pyenv/versions/3.13.0/bin/python3.
BENCH_PYTHON ?=
# More arguments for pytest, cargo test and benches/load/run.py, such as ARGS="-k upload".
ARGS ?=

# rustup's place, which a shell opened before its installation does not have on PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO_TARGET_DIR := $(TARGET)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# `make PYTHON=…` is for scripts/setup, the others for the script of their tests.
export PYTHON CHROMIUM PROMETHEUS PROMTOOL
# The environment of the shell must not reach the interpreters under test.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX

# Binary, wheel and tests are built for the one Python that scripts/setup found.
python = $$(cat $(PYTHON_FILE))
cargo = PYO3_PYTHON=$(python) cargo
# A binary is linked with one Python, so that for another one has a target directory of its own.
bench_python = $(or $(BENCH_PYTHON),$(python))
PROFILED = $(TARGET)/profiled$(if $(BENCH_PYTHON),-bench)
# In CI a Cargo.lock that does not fit Cargo.toml is an error.
locked = $(if $(CI),--locked)
stage = @scripts/stage
# The wheel has a target directory of its own: it does not link libpython, and the two ways would evict each other.
maturin = PYO3_PYTHON=$(python) CARGO_TARGET_DIR=$(TARGET)/wheel-build $(TOOLS_VENV)/bin/maturin build \
	--quiet --locked --interpreter $(python)

WHEEL_SOURCES := $(shell find src python monopod.data -type f -not -name '*.pyc' 2>/dev/null) \
	Cargo.toml Cargo.lock build.rs pyproject.toml rust-toolchain.toml README.md LICENSE
PYTHON_CODE := python tests examples benches scripts/check-rooms scripts/fuzz scripts/train scripts/training_app.py

##@ Everyday

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: binary $(EXAMPLE_VENV)/.ready ## serve the Django example on http://127.0.0.1:8000 (other address: BIND=…)
	@cd examples/django_site && $(EXAMPLE_VENV)/bin/python manage.py setup_demo --verbosity 0
	@$(BINARY) compress examples/django_site/data/static
	@echo
	@echo "  Notes   http://$(BIND)/"
	@echo "  Admin   http://$(BIND)/admin/   log in as admin, password admin"
	@echo "  Ctrl-C  ends it"
	@echo
	@exec $(BINARY) --chdir examples/django_site --venv $(EXAMPLE_VENV) --bind $(BIND)

.PHONY: test
test: lint test-rust test-wsgi test-pythons test-browser test-prometheus test-apm test-container ## everything CI runs: lint, cargo test, pytest over binary and wheel, a browser, Prometheus, tracers, containers
	@echo "All passed."

.PHONY: fmt
fmt: $(TEST_VENV)/.ready ## format Rust and Python
	@cargo fmt
	@cargo fmt --manifest-path fuzz/Cargo.toml
	@cargo fmt --manifest-path benches/floor/Cargo.toml
	@$(TEST_VENV)/bin/ruff check --quiet --fix-only $(PYTHON_CODE)
	@$(TEST_VENV)/bin/ruff format --quiet $(PYTHON_CODE)

.PHONY: lint
lint: check-rooms check-format lint-python clippy ## rooms, formatting, ruff, mypy, clippy

.PHONY: bench
bench: $(PYTHON_FILE) ## measure beside the peers, see benches/load/README.md (ARGS="hello …", BENCH_PYTHON=…)
	$(stage) "release binary" env PYO3_PYTHON=$(bench_python) PROFILED=$(PROFILED) scripts/build-release binary $(locked)
	@$(python) benches/load/run.py --python $(bench_python) --monopod $(PROFILED)/monopod $(ARGS)

.PHONY: bench-paths
bench-paths: $(PYTHON_FILE) ## time each part of a request's way alone (ARGS="guard …")
	@$(cargo) bench --quiet $(locked) --bench paths -- $(ARGS)

.PHONY: bench-counts
bench-counts: $(PYTHON_FILE) ## count their instructions and compare with benches/instructions.json (ARGS=--bless)
	@PYO3_PYTHON=$(python) $(python) benches/instructions.py $(ARGS)

.PHONY: bench-rollout
bench-rollout: $(PYTHON_FILE) $(TARGET)/bench-venv/.peers ## rolling updates under load, see benches/container/README.md (ARGS=…)
	$(stage) "release binary" env PYO3_PYTHON=$(python) scripts/build-release binary $(locked)
	@$(python) benches/container/rollout.py $(ARGS)

.PHONY: bench-image
bench-image: wheel $(TEST_VENV)/.ready ## size, start and memory of the image beside gunicorn with nginx
	$(stage) "release binary" env PYO3_PYTHON=$(python) scripts/build-release binary $(locked)
	$(call lay-parts,$(TARGET)/profiled/monopod,"$$(ls -t $(TARGET)/wheels/*.whl | head -n 1)")
	@scripts/test-container $(TEST_VENV)/bin/python benches/container/figures.py

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) $(PYTHON_FILE) ## fuzz the HTTP edge, see fuzz/README.md (FUZZ_SECONDS=60 each, FUZZ_TARGETS="guard …")
	@PATH=$(dir $(CARGO_FUZZ)):$$PATH PYO3_PYTHON=$(python) scripts/fuzz --seconds $(FUZZ_SECONDS) \
		--sanitizer $(FUZZ_SANITIZER) $(FUZZ_TARGETS)

.PHONY: wheel
wheel: $(TOOLS_VENV)/.ready ## build a wheel into target/wheels
	$(stage) "release wheel" env $(maturin) --release --out $(TARGET)/wheels
	@ls -1t $(TARGET)/wheels/*.whl | head -n 1

.PHONY: release
release: $(TOOLS_VENV)/.ready ## the same wheel and target/profiled/monopod by a profile of their work: faster, in a quarter of an hour
	$(stage) "release binary" env PYO3_PYTHON=$(python) scripts/build-release binary $(locked)
	$(stage) "release wheel" env PYO3_PYTHON=$(python) scripts/build-release wheel

.PHONY: image
image: ## build the image `monopod`, see docs/image.md (ARGS="--build-arg BASE=python:3.12-slim")
	@DOCKER_BUILDKIT=1 docker build --tag monopod $(ARGS) .

.PHONY: clean
clean: ## remove everything built, and the data of the Django example
	@rm -rf target examples/django_site/data
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Parts

.PHONY: setup
setup: $(PYTHON_FILE) ## find Python, Rust and a C compiler, or say what is missing

.PHONY: binary
binary: $(PYTHON_FILE) ## build target/debug/monopod
	$(stage) "cargo build" env PYO3_PYTHON=$(python) cargo build --quiet $(locked) --bin monopod

.PHONY: check-rooms
check-rooms: $(PYTHON_FILE) ## who may touch what in src/
	$(stage) "rooms" bash -c '$(python) scripts/check-rooms --self-test && $(python) scripts/check-rooms'

.PHONY: check-format
check-format: $(TEST_VENV)/.ready
	$(stage) "format" bash -c 'cargo fmt --check && cargo fmt --check --manifest-path fuzz/Cargo.toml \
		&& cargo fmt --check --manifest-path benches/floor/Cargo.toml \
		&& $(TEST_VENV)/bin/ruff format --check --quiet $(PYTHON_CODE)'

.PHONY: lint-python
lint-python: $(TEST_VENV)/.ready
	$(stage) "ruff, mypy" bash -c '$(TEST_VENV)/bin/ruff check --quiet $(PYTHON_CODE) && $(TEST_VENV)/bin/mypy'

.PHONY: clippy
clippy: $(PYTHON_FILE)
	$(stage) "clippy" env PYO3_PYTHON=$(python) cargo clippy --quiet $(locked) --all-targets -- -D warnings

.PHONY: test-rust
test-rust: $(PYTHON_FILE) ## cargo test (ARGS=…)
	$(stage) "cargo test" env PYO3_PYTHON=$(python) cargo test --no-fail-fast $(locked) $(ARGS)

.PHONY: test-wsgi
test-wsgi: binary $(TEST_VENV)/.wheel ## stubs, and pytest over binary and wheel (ARGS=…)
	$(stage) "stubtest" bash -c 'cd $(TARGET) && DJANGO_SETTINGS_MODULE=django.conf.global_settings \
		$(TEST_VENV)/bin/python -m mypy.stubtest monopod'
	$(stage) "pytest" env MONOPOD_BINARY=$(BINARY) MONOPOD_WHEEL=$(TEST_VENV)/bin/monopod \
		$(TEST_VENV)/bin/python -m pytest $(ARGS)

.PHONY: test-pythons
test-pythons: $(PYTHON_FILE) ## build for every Python from 3.10 to 3.13 on this machine
	$(stage) "each Python" scripts/each-python

.PHONY: test-browser
test-browser: binary $(TEST_VENV)/.browser ## the Django example and Wagtail in Chromium, screenshots in target/browser (CHROMIUM=…)
	$(stage) "browser" scripts/test-browser env MONOPOD_BINARY=$(BINARY) \
		$(TEST_VENV)/bin/python -m pytest tests/browser $(ARGS)

.PHONY: test-prometheus
test-prometheus: binary $(TEST_VENV)/.ready ## alerts and dashboard in a real Prometheus (PROMETHEUS=… PROMTOOL=…)
	$(stage) "Prometheus" scripts/test-prometheus env MONOPOD_BINARY=$(BINARY) \
		$(TEST_VENV)/bin/python -m pytest tests/prometheus $(ARGS)

.PHONY: test-apm
test-apm: binary $(APM_VENV)/.wheel ## Sentry, OpenTelemetry, ddtrace, prometheus_client, and stand-ins for who receives (ARGS=…)
	$(stage) "tracers" env MONOPOD_BINARY=$(BINARY) MONOPOD_WHEEL=$(APM_VENV)/bin/monopod \
		$(APM_VENV)/bin/python -m pytest -p no:ddtrace tests/apm $(ARGS)

.PHONY: test-container
test-container: debug-parts $(TEST_VENV)/.ready ## the image, and promises kept in containers, by Docker
	$(stage) "containers" scripts/test-container $(TEST_VENV)/bin/python -m pytest tests/container $(ARGS)

.PHONY: fuzz-corpus
fuzz-corpus: $(CARGO_FUZZ) $(PYTHON_FILE) ## distil what `make fuzz` learned into fuzz/corpus
	@PATH=$(dir $(CARGO_FUZZ)):$$PATH PYO3_PYTHON=$(python) scripts/fuzz --distil $(FUZZ_TARGETS)

# --- files ---

.PHONY: FORCE
FORCE:

# Looked at each time, changed only when the interpreter is another one; then everything below is made anew.
$(PYTHON_FILE): FORCE
	@scripts/setup

# venv DIRECTORY REQUIREMENTS…
define venv
	@rm -rf $(1)
	@$(python) -m venv $(1)
	@$(1)/bin/python -m pip install --quiet $(2)
	@touch $(1)/.ready
endef

$(TOOLS_VENV)/.ready: $(PYTHON_FILE) scripts/requirements.txt
	@echo "== maturin into target/tools-venv"
	$(call venv,$(TOOLS_VENV),-r scripts/requirements.txt)

$(CARGO_FUZZ):
	@echo "== cargo-fuzz into target/tools"
	@CARGO_TARGET_DIR=$(TARGET)/tools-build cargo install --quiet --locked --root $(TARGET)/tools cargo-fuzz@0.13.2

$(EXAMPLE_VENV)/.ready: $(PYTHON_FILE) examples/django_site/requirements.txt
	@echo "== Django into target/example-venv"
	$(call venv,$(EXAMPLE_VENV),-r examples/django_site/requirements.txt)

$(TEST_VENV)/.ready: $(PYTHON_FILE) tests/requirements.txt tests/requirements-lint.txt
	@echo "== packages of the tests into target/test-venv"
	$(call venv,$(TEST_VENV),-r tests/requirements.txt -r tests/requirements-lint.txt)

$(TEST_VENV)/.browser: $(TEST_VENV)/.ready tests/requirements-browser.txt
	@echo "== Playwright into target/test-venv"
	@$(TEST_VENV)/bin/python -m pip install --quiet -r tests/requirements-browser.txt
	@touch $@

$(TEST_WHEEL)/.built: $(PYTHON_FILE) $(TOOLS_VENV)/.ready $(WHEEL_SOURCES)
	@rm -rf $(TEST_WHEEL)
	$(stage) "wheel" env $(maturin) --profile dev --auditwheel skip --out $(TEST_WHEEL)
	@touch $@

$(TEST_VENV)/.wheel: $(TEST_VENV)/.ready $(TEST_WHEEL)/.built
	@$(TEST_VENV)/bin/python -m pip install --quiet --force-reinstall --no-deps $(TEST_WHEEL)/*.whl
	@touch $@

$(APM_VENV)/.ready: $(PYTHON_FILE) tests/requirements.txt tests/requirements-apm.txt
	@echo "== tracers and their tests' packages into target/apm-venv"
	$(call venv,$(APM_VENV),-r tests/requirements-apm.txt)

$(APM_VENV)/.wheel: $(APM_VENV)/.ready $(TEST_WHEEL)/.built
	@$(APM_VENV)/bin/python -m pip install --quiet --force-reinstall --no-deps $(TEST_WHEEL)/*.whl
	@touch $@

# lay-parts BINARY WHEEL: what the Dockerfile's stage `prebuilt` takes. maturin has stripped the wheel.
define lay-parts
	@rm -rf $(IMAGE_PARTS) && mkdir -p $(IMAGE_PARTS)
	@cp $(2) $(IMAGE_PARTS)
	@strip -o $(IMAGE_PARTS)/monopod $(1)
endef

.PHONY: debug-parts
debug-parts: binary $(TEST_WHEEL)/.built
	$(call lay-parts,$(BINARY),$(TEST_WHEEL)/*.whl)

$(TARGET)/bench-venv/.peers: $(PYTHON_FILE) benches/load/requirements.txt
	@[ -x $(TARGET)/bench-venv/bin/python ] || $(python) -m venv $(TARGET)/bench-venv
	@$(TARGET)/bench-venv/bin/python -m pip install --quiet -c benches/load/requirements.txt gunicorn granian
	@touch $@
