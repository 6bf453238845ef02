# `make` lists the targets. All of them work in a fresh clone: each one first installs the locked packages into .venv.

MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
export PYTHON
# The targets start many processes. Without bytecode each of them would compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

# The number of test processes: one more than the cores that CI has, because tests also wait for servers (298 s became 257).
WORKERS ?= 3
ROLE ?= staff
ROUNDS ?= 5
STAGE ?= dev
OUT ?= dist/$(STAGE)
ARCH ?= arm64
MINUTES ?= 2
SEED ?= 1
DAYS ?= 180
CUSTOMERS ?= 200
KILLS ?= 200
REQUESTS ?= 20000
BYTES ?= 1000000

.PHONY: help
help:
	@echo "Aftertab: pay after the service. The commands:"
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 to 3.13). ARGS=... is passed to the program that a target runs."

##@ Start
.PHONY: setup
setup: ## Create .venv with the locked packages (every other target does this first)
	@sh devstack/setup.sh

.PHONY: demo
demo: setup ## Play the whole story against local servers and check the money to the cent
	@$(PY) -m devstack.demo $(ARGS)

.PHONY: serve
serve: setup ## Keep the local stack running, and print curl lines to paste
	@$(PY) -m devstack.serve $(ARGS)

.PHONY: token
token: setup ## Print a token for the local stack: ROLE=staff|owner|operator|customer
	@$(PY) -m devstack.token --role $(ROLE) $(ARGS)

##@ Test
.PHONY: test
test: setup ## Run every test; ARGS="tests/unit -k refund" runs some
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: check
check: lint ## The fast loop, half a minute: style, types, layers and the tests of the rules
	@$(PY) -m pytest -q -n $(WORKERS) tests/unit tests/meta $(ARGS)

.PHONY: coverage
coverage: setup ## Run the tests of rules, use cases, HTTP and adapters; print the lines and branches that they miss
	@$(PY) -m pytest -q -n $(WORKERS) --cov --cov-report=term tests/unit tests/usecases tests/api tests/contract $(ARGS)

.PHONY: hooks
hooks: setup ## Make git run the quick checks before each commit
	@$(PY) -m pre_commit install

##@ Prove: break it on purpose
.PHONY: faults
faults: setup ## Play the fault matrix, every fault at every boundary: ARGS="--sample 200" plays some
	@$(PY) -m tests.faults.matrix $(ARGS)

.PHONY: crash-test
crash-test: setup ## Kill processes between writing ahead, paying and recording, and check the money
	@$(PY) -m pytest tests/faults/test_crash.py $(ARGS)

.PHONY: races
races: setup ## Send requests from 32 clients at once to one tab, against four app processes: ROUNDS=5 of each race
	@$(PY) -m devstack.races --rounds $(ROUNDS) $(ARGS)

.PHONY: mutants
mutants: setup ## Break the rules one at a time and check that a test fails: ARGS="--only money.py --show" tries some
	@sh devstack/setup.sh mutants
	@.venv-mutants/bin/python -m devstack.mutants --workers $(WORKERS) $(ARGS)

.PHONY: soak
soak: setup ## Random walks over the whole local stack, with faults: MINUTES=60 SEED=7
	@$(PY) -m tests.walk --minutes $(MINUTES) --seed $(SEED) $(ARGS)

.PHONY: months
months: setup ## Live through months of a merchant's life in memory, every book checked after every act: DAYS=180 CUSTOMERS=200 SEED=1
	@$(PY) -m tests.months --days $(DAYS) --customers $(CUSTOMERS) --seed $(SEED) $(ARGS)

.PHONY: fuzz
fuzz: setup ## Send what strangers may send: REQUESTS=20000 made from the OpenAPI document, and BYTES=1000000 raw inputs
	@sh devstack/setup.sh fuzz
	@RAW_BYTES=$(BYTES) $(PY) -m pytest -q -n $(WORKERS) tests/api/test_raw_bytes.py
	@$(PY) -m devstack.fuzz --requests $(REQUESTS) $(ARGS)

.PHONY: kill-test
kill-test: setup ## Kill the app's processes under load, KILLS=200 times, and check that nothing is lost or taken twice
	@$(PY) -m devstack.kill_test --kills $(KILLS) $(ARGS)

.PHONY: conformance
conformance: setup ## Store contract and races on AWS's own DynamoDB Local; needs npm and a JDK
	@$(PY) -m devstack.dynamodb_conformance $(ARGS)

##@ Operate
.PHONY: reconcile
reconcile: setup ## Compare our books with Stripe's: planted differences on a local stack, or STAGE=prod FROM=… TO=… REPORT=file.json
	@$(PY) -m devstack.reconcile $(if $(filter command environment,$(origin STAGE)),--stage $(STAGE)) \
		$(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(if $(REPORT),--report $(REPORT)) $(ARGS)

.PHONY: visits
visits: setup ## Write the visits of tabs from before there were visits, once after an upgrade: STAGE=dev|prod
	@$(PY) -m devstack.deploy.visits --stage $(STAGE) $(ARGS)

##@ Real bookings
.PHONY: replay
replay: setup ## Send real bookings through the API: DATA=file.csv; RESUME=1 continues where it stopped
	@test -n "$(DATA)" || { echo "Say which bookings: make replay DATA=file.csv" >&2; exit 2; }
	@$(PY) -m devstack.replay "$(DATA)" $(if $(RESUME),--resume) $(ARGS)

.PHONY: backtest
backtest: setup ## Forecast each week of real bookings from what was known then, and compare: DATA=file.csv
	@test -n "$(DATA)" || { echo "Say which bookings: make backtest DATA=file.csv" >&2; exit 2; }
	@$(PY) -m devstack.backtest "$(DATA)" $(ARGS)

.PHONY: standing
standing: setup ## A year of real bookings with standing on and off: deposits, no-shows, exposure: DATA=file.csv
	@test -n "$(DATA)" || { echo "Say which bookings: make standing DATA=file.csv" >&2; exit 2; }
	@$(PY) -m devstack.standing_year "$(DATA)" $(ARGS)

.PHONY: plot-forecast
plot-forecast: setup ## Draw docs/forecast.svg: forecasts of real bookings beside what came in: DATA=file.csv
	@test -n "$(DATA)" || { echo "Say which bookings: make plot-forecast DATA=file.csv" >&2; exit 2; }
	@sh devstack/setup.sh plot
	@mkdir -p .devstack && $(PY) -m devstack.backtest "$(DATA)" --to .devstack/forecast.json $(ARGS)
	@.venv-plot/bin/python -m devstack.forecast_plot .devstack/forecast.json docs/forecast.svg

##@ Deploy
.PHONY: package
package: setup ## Write the template and the zip for a deployment: STAGE=dev|prod, ARCH=arm64|x86_64, OUT=folder
	@$(PY) -m devstack.package --stage $(STAGE) --arch $(ARCH) --out $(OUT) $(ARGS)

.PHONY: check-template
check-template: setup ## Check the templates of both stages with cfn-lint and checkov
	@sh devstack/setup.sh template
	@for stage in dev prod; do $(PY) -m devstack.package --stage $$stage --out dist/$$stage >/dev/null || exit 1; done
	@$(PY) -m devstack.deploy.check dist/dev dist/prod $(ARGS)

.PHONY: deploy-local
deploy-local: setup ## Deploy the package on the AWS emulator, and play every story that needs less than a minute
	@$(PY) -m devstack.package --stage dev --arch here --out dist/dev
	@$(PY) -m devstack.deploy.local --package dist/dev $(ARGS)

.PHONY: deploy
deploy: setup ## Deploy what make package wrote to AWS: STAGE=dev|prod BUCKET=name ARGS="--set Name=value"
	@test -n "$(BUCKET)" || { echo "Say where the code goes: make deploy STAGE=$(STAGE) BUCKET=name" >&2; exit 2; }
	@$(PY) -m devstack.deploy --stage $(STAGE) --package $(OUT) --bucket "$(BUCKET)" $(ARGS)

.PHONY: doctor
doctor: setup ## Say what is missing or wrong with a deployed stage, and how to fix it: STAGE=dev|prod
	@$(PY) -m devstack.deploy.doctor --stage $(STAGE) $(ARGS)

.PHONY: redrive
redrive: setup ## Take dead letters back to their queue once what they failed on is mended: QUEUE=due|post|notices|relay|feedback STAGE=dev|prod
	@test -n "$(QUEUE)" || { echo "Say which: make redrive QUEUE=due|post|notices|relay|feedback STAGE=$(STAGE)" >&2; exit 2; }
	@$(PY) -m devstack.deploy.redrive --stage $(STAGE) --queue $(QUEUE) $(ARGS)
##@ Generated files
.PHONY: screenshots
screenshots: setup ## Take the pictures of the customer's page for docs/pages, and of all sizes into .devstack/screens; needs Chromium
	@mkdir -p .devstack/screens docs/pages
	@AFTERTAB_SCREENSHOTS=.devstack/screens $(PY) -m pytest -q -n 0 tests/browser/test_screens.py -k take

.PHONY: openapi
openapi: setup ## Write the OpenAPI document from the routes and their structs
	@$(PY) -m devstack.openapi $(ARGS)

.PHONY: guides
guides: setup ## Write the pages at /docs from the guides in docs/guides
	@$(PY) -m devstack.docs_pages

.PHONY: access
access: setup ## Write docs/access.md, who may call what, from the operations
	@$(PY) -m tests.api.access

.PHONY: clients
clients: setup ## Lint the OpenAPI document, generate clients of it, compile them, and let three of them play; needs node with npm
	@sh devstack/setup.sh clients
	@$(PY) -m devstack.clients $(ARGS)

.PHONY: examples
examples: setup ## Write the examples of answers for the OpenAPI document, from a story that is played
	@AFTERTAB_WRITE_EXAMPLES=1 $(PY) -m pytest -q -n 0 tests/api/test_openapi.py -k are_what_is_answered
	@$(PY) -m devstack.openapi $(ARGS)

.PHONY: states
states: setup ## Write docs/states.md from the tables in the domain
	@$(PY) -m devstack.states $(ARGS)

.PHONY: events
events: setup ## Write docs/events.md, what merchants' systems are told, from the domain
	@$(PY) -m devstack.events $(ARGS)

.PHONY: messages
messages: setup ## Bring the catalogues and docs/messages.md up to date with the templates of messages, and say what is untranslated
	@$(PY) -m devstack.words $(ARGS)

.PHONY: mails
mails: setup ## Write every message in every language to files, to look at in a browser
	@$(PY) -m devstack.words.preview $(ARGS)

.PHONY: remote-calls
remote-calls: setup ## Count the calls of each operation to DynamoDB and Stripe, and write docs/remote-calls.md
	@$(PY) -m tests.costs

##@ Measure
.PHONY: bench-cold
bench-cold: setup ## Measure cold starts of the package, beside a hello world in Chalice and one in FastAPI
	@sh devstack/setup.sh bench
	@$(PY) -m bench.cold $(ARGS)

.PHONY: bench-warm
bench-warm: setup ## Measure the processor time of a request, beside FastAPI, dj-stripe and stripe-sync-engine
	@sh devstack/setup.sh bench
	@$(PY) -m bench.warm $(ARGS)

.PHONY: bench-post
bench-post: setup ## Measure a webhook that leads to a receipt, against the build before news; and messages delivered a second
	@$(PY) -m bench.post $(ARGS)

.PHONY: bench-page
bench-page: setup ## Measure the customer's page: bytes, when a bill can be read on a slow phone beside a React page, processor time, writes
	@$(PY) -m devstack.package --stage dev --arch here --out dist/dev
	@$(PY) -m bench.page $(ARGS)

.PHONY: bench-load
bench-load: setup ## Play many walk-ins at once over HTTP, then check every tab; DEPLOYED=1 uses the deployed package
	@sh devstack/setup.sh bench
	@$(if $(DEPLOYED),$(PY) -m devstack.package --stage dev --arch here --out dist/dev)
	@$(PY) -m bench.load $(if $(DEPLOYED),--deployed dist/dev) $(ARGS)

.PHONY: bench-standin
bench-standin: setup ## Measure the Stripe stand-in against itself at commit 80861af: memory, pairs a second, start
	@$(PY) -m bench.standin $(ARGS)

.PHONY: bench-sweep
bench-sweep: setup ## Measure the sweep and its workers: capacity, processor time against commit 80861af, fairness
	@$(PY) -m bench.sweep $(ARGS)

##@ Tidy
.PHONY: lint
lint: setup ## Check style, formatting, types and layers
	@failed=0; \
	$(PY) -m ruff check --quiet . || failed=1; \
	$(PY) -m ruff format --quiet --check --output-format concise . || { echo "Run: make format"; failed=1; }; \
	$(PY) -m mypy || failed=1; \
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --no-logo || failed=1; \
	exit $$failed

.PHONY: format
format: setup ## Format the code and apply automatic fixes
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .

.PHONY: lock
lock: setup ## Compile the lock files after a change to pyproject.toml: UPGRADE=1 takes newer versions
	@$(PY) -m devstack.lock $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove .venv and everything else that can be made again
	@rm -rf .venv .venv-* .devstack .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	@rm -rf dist htmlcov .coverage .coverage.* mutants schemathesis-report
	@rm -rf .chalice/deployed .chalice/deployments .chalice/venv
	@find . \( -name __pycache__ -o -name node_modules \) -type d -prune -exec rm -rf {} +
	@find . -name .git -prune -o -type f \( -name '*.py[cod]' -o -name '*.log' \) -exec rm -f {} +
