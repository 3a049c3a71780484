# The front door. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv/bin/python
PROXY := $(CURDIR)/.tools/class/proxy/node_modules/.bin/configurable-http-proxy

.DEFAULT_GOAL := help
.PHONY: help setup lab test live notebooks browser bookbinder book demo pictures slides class class-test classbench classbuilder classpackages adapter environment lock serve doctor bench trials

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: ## create .venv with the packages of requirements.txt
	@$(PYTHON) start.py setup

lab: ## set up, fetch the model, check, and open the course in JupyterLab
	@$(PYTHON) start.py lab

doctor: setup ## check this machine and say what to do
	@$(VENV) -m llmops_utils doctor

serve: setup ## serve the model to a class
	@$(VENV) -m llmops_utils serve

test: setup ## lint, unit tests, and every notebook against the recordings: no model, no network
	@$(VENV) -m llmops_utils test

live: setup ## every notebook and the live tests against the embedded model, 8 examples of each test split
	@$(VENV) -m llmops_utils test --live $(NOTEBOOKS)

notebooks: setup ## execute the notebooks and store their outputs (ask the model only for what is not recorded)
	@$(VENV) -m llmops_utils notebooks

bench: setup ## throughput of the model, of embedding and of search here, as ratios in one run; the served model under load; what gate, monitor and canary catch
	@$(VENV) benchmarks/throughput.py
	@$(VENV) benchmarks/serving.py
	@$(VENV) benchmarks/retrieval.py
	@$(VENV) benchmarks/gate.py
	@$(VENV) benchmarks/monitor.py
	@$(VENV) benchmarks/canary.py

trials: setup ## what kills, foreign files, odd documents and keys in all places do to the course: counts, all should be 0
	@$(VENV) benchmarks/kills.py 20
	@$(VENV) benchmarks/foreign_files.py
	@$(VENV) benchmarks/keys.py
	@$(VENV) benchmarks/odd_documents.py 300 60

browser: setup ## the widgets in JupyterLab in a real headless Chromium
	@tests/browser/run

bookbinder: setup
	@[ -x .tools/book/bin/python ] || .venv/bin/uv venv --quiet --python .venv/bin/python .tools/book
	@.venv/bin/uv pip install --quiet --python .tools/book/bin/python --require-hashes -r book/requirements.txt

book: bookbinder ## the course as a book in build/book/html, from the stored outputs
	@.tools/book/bin/python book/make_book.py

demo: bookbinder ## a deck of fifteen minutes in build/demo, after its lessons have been run from their recordings
	@$(VENV) -m pytest -q --no-header -n 2 --dist loadscope --nbval $$(.tools/book/bin/python book/make_demo.py --lessons)
	@.tools/book/bin/python book/make_demo.py

pictures: book ## the pictures of README.md in book/pictures (needs Chromium)
	@SCRIPT=book/make_pictures.py tests/browser/run

slides: bookbinder ## a deck from a lesson in build/slides, for example LESSON=06_2
	@.tools/book/bin/python book/make_slides.py $(LESSON)

classpackages: setup
	@[ -x .tools/class/bin/python ] || .venv/bin/uv venv --quiet --python .venv/bin/python .tools/class
	@.venv/bin/uv pip install --quiet --python .tools/class/bin/python --require-hashes -r requirements.txt \
	  -r classroom/requirements.txt
	@.venv/bin/uv pip install --quiet --python .tools/class/bin/python --no-deps --no-build-isolation --editable .

classbuilder: classpackages
	@mkdir -p .tools/class/proxy && cp classroom/package.json classroom/package-lock.json .tools/class/proxy
	@npm ci --silent --prefix .tools/class/proxy || { echo "make class needs node 20 or later, with npm." >&2; exit 1; }

class: classbuilder ## JupyterHub on this machine: a server for each student, one model for all (see classroom/README.md)
	@CLASS_PROXY=$(PROXY) .tools/class/bin/jupyterhub --config classroom/jupyterhub_config.py

classbench: classbuilder ## eight students on this machine: times, memory, quotas, floods, restarts, attacks; ARGS="STUDENTS LESSON MINUTES"
	@CLASS_PROXY=$(PROXY) PYTHONPATH=tests/fakes .tools/class/bin/python benchmarks/classroom.py $(ARGS)

class-test: classbuilder ## the class with JupyterHub, and assignments with nbgrader
	@CLASS_PROXY=$(PROXY) .tools/class/bin/python -m pytest $(or $(TESTS),tests/classroom)

adapter: setup ## train the course's adapter anew and measure it (about three hours on two cores)
	@$(VENV) data/make_adapter.py build/adapter
	@cp build/adapter/pellworth.gguf build/adapter/training.json data/adapters/
	@$(VENV) benchmarks/pellworth.py test data/adapters/pellworth.csv

environment: setup ## install environment.yml's pip section into a fresh environment (needs the network)
	@$(VENV) -m pytest -m network tests

lock: ## resolve pyproject.toml into requirements.txt anew
	@$(PYTHON) start.py setup
	@.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --extra test pyproject.toml --output-file requirements.txt
	@.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate book/requirements.in --output-file book/requirements.txt
	@$(VENV) -c "import tomllib; told = tomllib.load(open('pyproject.toml', 'rb')); \
	  print(*told['project']['optional-dependencies']['class'], sep='\n')" | \
	  .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --constraint requirements.txt - --output-file classroom/requirements.txt
