# Every target sets itself up: .venv is made from requirements.txt, again when that changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
READY := .venv/ready
RUN := .venv/bin/python
PRESET ?= tiny
TASK ?= gsm8k
SEED ?= 0
COURSE := $(RUN) -m helpers.course
TRL := .venv-trl/ready

.PHONY: course status ladder clinic notebooks readme test fuzz mutants bench lint map setup clean

course: $(READY)  ## run all notebooks that are not made yet, then print the scoreboard
	$(COURSE) run --preset $(PRESET) --task $(TASK) --seed $(SEED)

status: $(READY)  ## what is made, stale, missing or failed
	$(COURSE) status --preset $(PRESET) --task $(TASK) --seed $(SEED)

ladder: $(READY)  ## the course with several seeds, one of them drawn today; checks the claims
	$(RUN) -m helpers.course.ladder run --preset $(PRESET) --seeds 0 1 2 date

clinic: $(READY)  ## record PPO gone wrong on purpose, for notebook 06; needs the sft of a run
	$(RUN) -m helpers.train.ppo.clinic --seed $(SEED)

notebooks: course  ## put the run's outputs and figures into the notebooks of the project
	$(RUN) -m helpers.course.publish --preset $(PRESET) --task $(TASK) --seed $(SEED)

readme: $(READY)  ## README's scoreboard and figure: a run of its own, on the sealed problems
	COURSE_ARTIFACTS=artifacts/readme $(COURSE) run --preset tiny --only 08 \
	  --overrides '{evaluation: {split: sealed}}'
	COURSE_ARTIFACTS=artifacts/readme $(RUN) -m helpers.course.scoreboard --preset tiny --readme
	COURSE_ARTIFACTS=artifacts/readme $(RUN) -m helpers.course.publish --preset tiny --figures

test: $(READY)  ## all tests, two files at a time
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 20

fuzz: $(READY)  ## 100,000 new inputs for everything that reads a completion
	FUZZ_EXAMPLES=100000 $(RUN) -m pytest -s tests/unit/test_verify_fuzz.py

mutants: $(READY)  ## small mistakes put into the verifier and the rewards: which do the tests miss?
	nice $(RUN) -m tests.mutants

bench: $(READY) $(TRL)  ## grading against math-verify alone; PPO against TRL 1.9.0's
	$(RUN) -m tests.benchmarks.grading
	$(RUN) -m tests.benchmarks.ppo

lint: $(READY)  ## style of modules, tests and notebooks
	$(RUN) -m ruff check .

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

$(TRL): tests/benchmarks/requirements.txt $(READY)
	rm -rf $(@D)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $(@D) -r $<
	touch $@
