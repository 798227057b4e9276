# Needs Python 3.11 or later and make. ARGS="..." is passed on by the tests and bench.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
CATALOGUES := $(wildcard locale/*/LC_MESSAGES/*.po)
COMPILED := $(CATALOGUES:.po=.mo)
INSTALLED := .venv/.installed $(COMPILED)

VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

# Production settings for `check --deploy`, which connects to nothing.
PRODUCTION := DEBUG=false PORTAL_URL=https://compte.univ-exemple.fr ALLOWED_HOSTS=compte.univ-exemple.fr \
	EMAIL_URL=smtp+tls://relay.univ-exemple.fr TRUSTED_PROXIES=192.0.2.1 \
	UNIVERSITY_NAME=Exemple UNIVERSITY_DOMAINS=univ-exemple.fr \
	DATABASE_URL=postgres://portail@192.0.2.2/portail REDIS_URL=redis://192.0.2.3/0

# Every process that a test starts would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run test test-quick test-all coverage lint audit sbom image format bench messages

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## make .venv and put everything in it (the other commands do it when needed)

run: $(INSTALLED) ## start the whole portal with a demonstration; Ctrl-C ends it
	@$(BIN)/python -m devtools.run

test: $(INSTALLED) ## run the tests but for the slow ones; ARGS="tests/outbox -k link" runs those named
	@$(BIN)/python -m devtools.browser
	@$(BIN)/python -m devtools.promtool
	@$(BIN)/python -m devtools.ldap.slapd
	@$(BIN)/python -m devtools.with_servers pytest $(if $(ARGS),$(ARGS),-m "not slow")

test-quick: $(INSTALLED) ## run those that need neither a browser nor processes of their own
	@$(BIN)/python -m devtools.with_servers pytest -n 2 -m "not (slow or browser or stack or processes)" $(ARGS)

test-all: $(INSTALLED) ## run every test, with faults, scale, containers and a fresh clone
	@$(BIN)/python -m devtools.browser
	@$(BIN)/python -m devtools.promtool
	@$(BIN)/python -m devtools.ldap.slapd
	@$(BIN)/python -m devtools.containers
	@$(BIN)/python -m devtools.with_servers pytest $(ARGS)

coverage: $(INSTALLED) ## measure the branch coverage of the apps, without browser and processes
	@$(BIN)/python -m devtools.with_servers pytest -m "not browser and not stack" --cov --cov-report term $(ARGS)

lint: $(INSTALLED) ## check style, types, imports, migrations, catalogues and production settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --quiet --lint --check templates
	$(BIN)/python -m devtools.with_servers mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m devtools.with_servers python manage.py makemigrations --check --dry-run
	@echo "manage.py check --deploy"
	@$(PRODUCTION) SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING
	@for catalogue in $(CATALOGUES); do $(BIN)/pybabel -q compile -i $$catalogue -o /dev/null || exit 1; done

audit: $(INSTALLED) ## look the dependencies up in the database of known vulnerabilities
	@$(BIN)/python -m devtools.audit

sbom: $(INSTALLED) ## list what production is made of in sbom.json (CycloneDX)
	@$(BIN)/cyclonedx-py requirements --output-reproducible --output-file sbom.json requirements.txt

image: ## build the image, labelled with the version
	docker build --build-arg VERSION=$(VERSION) --tag portail-compte:$(VERSION) .

format: $(INSTALLED) ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --quiet --reformat templates

bench: $(INSTALLED) ## measure, against references timed in the same run; ARGS="pages mails"
	@$(BIN)/python -m devtools.with_servers python -m benchmarks $(ARGS)

messages: $(INSTALLED) ## collect the French texts for the translators
	@$(BIN)/python -m devtools.with_servers python -m devtools.messages

.venv/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into .venv…"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		--require-hashes -r requirements-dev.txt
	@touch $@

%.mo: %.po | .venv/.installed
	@$(BIN)/pybabel -q compile -i $< -o $@
