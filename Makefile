# SPDX-License-Identifier: Apache-2.0
# Shortcuts for people; the build itself is CMake (see CMakePresets.json and CONTRIBUTING.md).
# demo and check install what is missing with apt-get, after saying what and why.
.DEFAULT_GOAL := help
.PHONY: help demo build test bench peers fidelity check format reference clean

BUILD_DIR ?= build

help:
	@echo 'make demo    build, then convert a scikit-learn forest, predict, compare, time'
	@echo 'make build   libraries and the espalier command, release, in $(BUILD_DIR)/release'
	@echo 'make test    build and run the tests'
	@echo 'make bench   build and run the benchmarks (BENCH_OPTIONS=--quick for a short run)'
	@echo 'make peers   measure other libraries likewise (long; PEERS_OPTIONS=--quick)'
	@echo 'make fidelity  compare with every version of every trainer, as docs/fidelity.md (long)'
	@echo 'make check   everything CI runs: two compilers, sanitizers, linters, fuzzing (long)'
	@echo 'make format  format all C and C++ files in place'
	@echo 'make reference  write docs/reference from the headers and docstrings'
	@echo 'make clean   remove $(BUILD_DIR)'

demo:
	@scripts/install_deps.sh build
	@scripts/build.sh release -DESPALIER_BUILD_TESTS=OFF
	@scripts/demo.sh "$(BUILD_DIR)/release"

build:
	@scripts/install_deps.sh build
	@scripts/build.sh release -DESPALIER_BUILD_TESTS=OFF

test:
	@scripts/install_deps.sh check
	@scripts/build.sh release -DESPALIER_BUILD_TESTS=ON
	@cd "$(BUILD_DIR)/release" && ctest --output-on-failure -j "$$(nproc)"

bench: build
	@bench/run.sh --build "$(BUILD_DIR)/release" $(BENCH_OPTIONS)

peers:
	@scripts/install_deps.sh build
	@bench/peers/peers.sh $(PEERS_OPTIONS)

fidelity: build
	@python3 -B tests/interop/fidelity.py --espalier "$(BUILD_DIR)/release/bin/espalier" \
		--work "$(BUILD_DIR)/fidelity" --output docs/fidelity.md $(FIDELITY_OPTIONS)

check:
	@scripts/install_deps.sh check
	@scripts/check.sh

format:
	@scripts/format.sh

reference:
	@python3 -B scripts/make_reference.py

clean:
	rm -rf "$(BUILD_DIR)"
