# Two commands do everything: `make demo` and `make test`. Nothing before them but Python >= 3.11
# with venv, make and git.
.PHONY: demo test lint types tests proofs clean retrain bench

PYTHON := $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
MANIFESTS := $(wildcard domains/*/*/domain.toml)
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export TORCHINDUCTOR_COMPILE_THREADS := 1

demo: $(VENV)/.demo
	$(BIN)/trimtab run traffic/cologne8

test: $(VENV)/.test lint
	@$(MAKE) --no-print-directory -j 2 types tests # types are checked while tests wait

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

tests:
	$(BIN)/pytest -q -n 2 --dist loadgroup --no-loadscope-reorder

proofs: $(VENV)/.test
	$(BIN)/python -m trimtab_grid.proofs

retrain: $(VENV)/.test
	$(BIN)/python -m trimtab_traffic.retrain $(ARGS)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer with venv is needed;\
	 Debian and Ubuntu: apt install python3-venv" >&2; exit 3; }
	@$(PYTHON) core/trimtab/cli/system_libraries.py $(MANIFESTS)
	$(PYTHON) -m venv $(VENV)
	@touch $@

# uv unpacks on all cores; it is told where pip looks. Where it does not get all, pip does it.
# Modules that nobody here or only tests of others import are compiled at their first use.
ELSEWHERE := /(tests|plotly|ray|sympy|sumo/tools)/
said = $(BIN)/pip config list | sed -n "s/.*[.]$(1)='\(.*\)'$$/\1/p" | tail -n 1
install = start=$$(date +%s) && \
  { $(PIP) uv && UV_FIND_LINKS="$$($(call said,find-links))" \
    UV_DEFAULT_INDEX="$$($(call said,index-url))" UV_PYTHON=$(BIN)/python \
    $(BIN)/uv pip install --quiet -c constraints.txt -e ".[$(1)]" || \
    $(PIP) --no-compile -e ".[$(1)]"; } && \
  { $(BIN)/python -m compileall -qq -j 0 -x '$(ELSEWHERE)' "$(CURDIR)/$(VENV)/lib" || true; } && \
  echo "Installed in $$(( $$(date +%s) - start )) s."

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing (1.5 GB on disk, once) ..."
	@$(call install,traffic)
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing, with torch and the test tools (once) ..."
	@$(call install,dev)
	@touch $@ $(VENV)/.demo
