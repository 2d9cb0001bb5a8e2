# Every target sets itself up: .venv is made from requirements.txt, again when that changes; what
# tests need comes on top from requirements-test.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
READY := .venv/ready
TESTS := .venv/test-ready
RUN := .venv/bin/python
PRESET ?= tiny
TASK ?= gsm8k
SEED ?= 0
COURSE := $(RUN) -m helpers.course
TRL := .venv-trl/ready
OLD := .venv-old/ready
HARNESS := .venv-harness/ready
ABLATIONS := $(RUN) -m helpers.train.ablations run --from-seed
KEEP := $(RUN) -m helpers.train.ablations record --from-seed
PYTEST := $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: course recipe published status ladder ablations clinic notebooks readme playground quick test fuzz mutants bench bench-gpu \
  bench-harness lint types coverage hooks map setup clean chromium test-python handout solutions grade

course: $(READY)  ## run all notebooks that are not made yet, then print the scoreboard
	$(COURSE) run --preset $(PRESET) --task $(TASK) --seed $(SEED)

recipe: $(READY)  ## the run of a recipe: make recipe NAME=gsm8k_xml_grpo, or NAME=path/to/mine.yaml
	@test -n '$(NAME)' || { echo "which one? make recipe NAME=…; there are $(notdir $(basename \
	  $(wildcard notebooks/recipes/*.yaml)))" >&2; exit 2; }
	$(COURSE) run --recipe '$(NAME)' $(if $(filter-out file,$(origin SEED)),--seed $(SEED))

published: $(READY)  ## README's table of what others published, beside what our recipes measured
	$(RUN) -m helpers.course.published record
	$(RUN) -m helpers.course.published readme

status: $(READY)  ## what is made, stale, missing or failed
	$(COURSE) status --preset $(PRESET) --task $(TASK) --seed $(SEED)

ladder: $(READY)  ## the course with several seeds, one drawn today, and the short runs; checks, records
	$(RUN) -m helpers.course.ladder run --preset $(PRESET) --seeds 0 1 2 date; held=$$?; \
	  $(RUN) -m helpers.course.ladder record --preset $(PRESET) && \
	  $(if $(filter tiny,$(PRESET)),$(ABLATIONS) 0 && $(KEEP) 0 &&) exit $$held

ablations: $(READY)  ## short runs that differ in one thing, for 06 and 07: an hour, goes on where it stopped
	$(ABLATIONS) $(SEED) && $(KEEP) $(SEED)

clinic: $(READY)  ## record PPO gone wrong on purpose, for notebook 06; needs the sft of a run
	$(RUN) -m helpers.train.ppo.clinic --seed $(SEED)

notebooks: course  ## put the run's outputs and figures into the notebooks of the project
	$(RUN) -m helpers.course.publish --preset $(PRESET) --task $(TASK) --seed $(SEED)

readme: $(READY)  ## README's scoreboard and figure: a run of its own, on the sealed problems
	COURSE_ARTIFACTS=artifacts/readme $(COURSE) run --preset tiny --only 08 \
	  --overrides '{evaluation: {split: sealed}}'
	COURSE_ARTIFACTS=artifacts/readme $(RUN) -m helpers.course.scoreboard --preset tiny --readme
	COURSE_ARTIFACTS=artifacts/readme $(RUN) -m helpers.course.publish --preset tiny --figures

playground: $(READY)  ## ask the models in the browser; MODEL=folder, id on the hub or smollm2 adds one
	$(RUN) -m helpers.course.playground --preset $(PRESET) --task $(TASK) --seed $(SEED) \
	  $(if $(MODEL),--model '$(MODEL)')

handout: $(READY)  ## the notebooks without solutions, in OUT (artifacts/handout)
	$(RUN) -m helpers.exercises handout $(if $(OUT),--out '$(OUT)')

solutions: $(READY)  ## the notebooks with the solutions in the stubs, in OUT (artifacts/solutions)
	$(RUN) -m helpers.exercises solutions $(if $(OUT),--out '$(OUT)')

grade: $(READY)  ## grade the notebooks, or folders of them, in DIR; a table in OUT
	@test -n '$(DIR)' || { echo "which ones? make grade DIR=folder-of-submissions" >&2; exit 2; }
	$(RUN) -m helpers.exercises grade '$(DIR)' $(if $(OUT),--out '$(OUT)')

quick: $(TESTS) $(OLD)  ## the tests that run no notebook of the course: minutes
	$(PYTEST) -m "not slow"

test: $(TESTS) $(OLD) chromium  ## all tests, two files at a time
	$(PYTEST) --durations 40

fuzz: $(TESTS)  ## 100,000 new inputs for everything that reads a completion
	FUZZ_EXAMPLES=100000 $(RUN) -m pytest -s tests/unit/test_verify_fuzz.py

mutants: $(TESTS)  ## small mistakes put into the verifier and the rewards: which do the tests miss?
	nice $(RUN) -m tests.mutants

bench: $(TESTS) $(OLD) $(TRL)  ## grading against math-verify alone; clicks; PPO and GRPO against TRL
	$(RUN) -m tests.benchmarks.grading
	$(RUN) -m tests.benchmarks.formulas
	$(RUN) -m tests.benchmarks.clicks
	$(RUN) -m tests.benchmarks.ppo
	$(RUN) -m tests.benchmarks.grpo

bench-harness: $(READY) $(HARNESS)  ## strict and lenient against lm-eval's gsm8k on a run's answers (EVALUATION=folder)
	$(RUN) -m tests.benchmarks.harness $(if $(EVALUATION),--evaluation '$(EVALUATION)')

bench-gpu: $(READY)  ## steps of this commit and, in AGAINST, of an older one; notebooks under caps; MODEL's ladder
	$(RUN) -m tests.benchmarks.gpu steps $(if $(AGAINST),--against $(AGAINST)) --cap-gb 15.5
	$(RUN) -m tests.benchmarks.gpu passes
	$(RUN) -m tests.benchmarks.gpu answers
	$(RUN) -m tests.benchmarks.gpu notebooks --preset colab \
	  --model-settings '{"precision": "float16", "quantization": "4bit"}'
	$(RUN) -m tests.benchmarks.gpu notebooks --preset a100
	$(if $(MODEL),$(RUN) -m tests.benchmarks.gpu ladder --model $(MODEL))

lint: types  ## style and types of modules, tests and notebooks
	$(RUN) -m ruff check .

types: $(TESTS)  ## types of the library: calls and results against the annotations
	$(RUN) -m mypy

coverage: $(TESTS)  ## which lines of the library the quick tests run, as a table
	$(RUN) -m pytest -q -m "not slow" tests/unit --cov=helpers --cov-report=term:skip-covered

chromium:  ## the browser that drives the widgets in the tests; without it those tests are skipped
	@command -v chromium chromium-browser google-chrome > /dev/null || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && \
	    apt-get install -y -qq --no-install-recommends chromium > /dev/null; } || \
	  echo "NO CHROMIUM: install it (apt-get install chromium), or no test drives a browser" >&2

hooks: $(TESTS)  ## check style and notebooks before every commit (.pre-commit-config.yaml)
	$(RUN) -m pre_commit install

map: $(READY)  ## write the map of the library, helpers/README.md, from its modules
	$(RUN) -m tests.architecture

setup: $(READY)  ## only make the environment

clean: $(READY)  ## remove the artifacts of this run, after a question
	$(COURSE) clean --preset $(PRESET) --task $(TASK) --seed $(SEED)

$(READY): requirements.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(TESTS): requirements-test.txt $(READY)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# The quick tests on another Python, in an environment of its own: make test-python PYTHON=python3.13
OTHER = .venv-$(notdir $(PYTHON))
test-python:
	test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check \
	  -r requirements.txt -r requirements-test.txt
	$(OTHER)/bin/python -m pytest -q -n 2 -m "not slow" tests/unit

$(TRL): tests/benchmarks/requirements.txt $(READY)
	rm -rf $(@D)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(@D) -r $<
	touch $@

$(HARNESS): tests/benchmarks/requirements-harness.txt $(READY)
	rm -rf $(@D)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(@D) -r $<
	touch $@

# Colab's older ipywidgets and ipykernel; without the network the tests that need them are skipped.
$(OLD): tests/widgets/requirements-old.txt $(READY)
	rm -rf $(@D)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(@D) -r $< && touch $@ || \
	  echo "NO OLD WIDGETS: no test looks at Colab's ipywidgets; run make $@ with the network" >&2
