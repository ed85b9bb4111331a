# `make repro` runs the pipeline, `make cluster FOLDER=/path` clusters a folder of recordings, `make test` runs the tests;
# each creates .venv and installs requirements.txt if need be.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro cluster folder all test status table lint docs clean

# Stage evaluate ends with the table; where it did not run, the table is printed here.
repro: $(BIN)/.installed
	@mkdir -p .scratch .dvc/tmp && touch .scratch/started
	@find .dvc/tmp -maxdepth 1 -name rwlock -empty -delete # DVC was killed while writing it, and cannot read it
	dvc repro
	@test .scratch/costs/evaluate.json -nt .scratch/started || python stages/table.py

# A first look at a folder of recordings, by any name: K clusters, KIND of sound (words, voices, sounds, music).
cluster folder: export RECORDINGS := $(value FOLDER)
cluster: folder $(BIN)/.installed
	@python stages/cluster.py -k "$${K:-auto}" --kind "$${KIND:-any}" -- "$$RECORDINGS"

folder: # before anything is installed
	@case "$$RECORDINGS" in "~/"*) RECORDINGS="$$HOME/$${RECORDINGS#??}";; esac; test -d "$$RECORDINGS" || \
	  { echo "error: FOLDER = '$$RECORDINGS': no such folder; make cluster FOLDER=/path/to/recordings [K=8] [KIND=words]"; \
	    exit 1; }

# Every encoder that is trained here and every deep method, as an experiment: params.yaml then names them too.
all: $(BIN)/.installed
	bash -c '. recipes/_all.sh; dvc exp run "$${ALL[@]}"'

# A file's tests share what they set up, so they stay in one process.
test: $(BIN)/.installed
	pytest -n auto --dist loadfile --no-loadscope-reorder

# What `dvc repro` would run: edits of the code and of the recordings show after the stages that look at them.
status: $(BIN)/.installed
	dvc repro -q check recordings
	dvc stage list --name-only | grep -vx recordings | xargs dvc status

# The final table with seconds and peak memory, which are kept outside Git and DVC.
table: $(BIN)/.installed
	python stages/table.py

lint: $(BIN)/.installed
	ruff check . && ruff format --check .

$(BIN)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed, $(PYTHON) is older; try 'make PYTHON=python3.12 ...'"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python stages/weights.py
	touch $@

# Functions and classes for Python, from their docstrings, into docs/api.
docs: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/python tools/docs.py docs/api

clean:
	rm -rf .scratch
