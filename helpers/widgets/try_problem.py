"""*Try a problem*: type one or draw one, choose models, and watch them write, side by side.

    try_problem(course)                       # shows it; models that are not made are greyed
    one = try_problem(course); one.draw(); one.generate(); one.wait()   # the same by code

The models write in a thread, so the kernel stays free. What they wrote is kept in `results`, in a
menu, and as JSON lines beside the stages of the run. A model that is not made can be made from
here, in a process of its own.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from helpers import prompts
from helpers.config import ConfigError, Course
from helpers.data.errors import DataError
from helpers.data.problem import Problem
from helpers.files import ArtifactError
from helpers.models import ModelError
from helpers.rungs import BASES
from helpers.track import Track
from helpers.widgets import controls_of_try, history, live, making, pages
from helpers.widgets.answered import Answered, Result
from helpers.widgets.asking import AskError, Engine, Sample, typed
from helpers.widgets.engine import CourseEngine
from helpers.widgets.offer_to_make import OfferToMake
from helpers.widgets.stages import Offered, offered
from helpers.widgets.trying import Trying

WORDS = "a place to type a problem and let the models of this run answer it"


def try_problem(course: Course, **options) -> "TryProblem":
    """Show the widget; `options` are those of TryProblem."""
    one = TryProblem(course, **options)
    one.show()
    return one


class TryProblem:
    """The widget. `models`: those offered (default: the run's, and `own`); `engine`: who writes;
    `problems`: those to draw from (default: the validation split of the course's task); `runs`: who
    makes what is not made (default: the course's runner)."""

    def __init__(self, course: Course, own: str | None = None, engine: Engine | None = None,
                 models: Sequence[Offered] | None = None, makers: Mapping[str, str] | None = None,
                 problems: Any = None, runs: making.Making | None = None):
        self.course, self.track = course, Track(course)
        self.puzzles = course.answer_format == "countdown"
        self._look = (lambda: list(models)) if models is not None else (
            lambda: offered(course, own, makers))
        self.models = self._look()
        self.trying = Trying(engine or CourseEngine(course, self.models), self.track, self)
        self._problems = {} if problems is None else {course.task: problems}  # of each task
        self._drawn, self._tries = random.Random(course.seed), 0
        self._result: Result | None = None  # of the last try of this widget
        self._chosen: Problem | None = None  # the one that was drawn, as long as it is not edited
        self.results = history.last(history.place(course))
        self.controls = controls_of_try.Controls(course, self.models, self.puzzles)
        self._late = False  # a model was made while others wrote
        self.maker = OfferToMake(course, runs or making.of(course), self._is_made)
        self._offer_to_make()
        self.controls.box.observe(self._closed, "comm")
        self.live = live.Live(self.controls.box, WORDS)
        self.controls.connect(self.draw, self.generate, self.stop, self.look_again, self.recall)
        self.controls.remember(self.results)

    def show(self) -> None:
        """Put it on the page, with a copy of the last result for pages without Python."""
        self.controls.head.value = self.live.hiding()
        self.live.show()
        self.live.page("", "")

    # What the buttons do

    def draw(self) -> Problem | None:
        """A problem of the chosen task's validation split, into the fields."""
        task = self.controls.task.value
        try:
            if task not in self._problems:
                self._problems[task] = self._of_task(task)
            drawn: Problem = self._drawn.choice(self._problems[task])
        except (ConfigError, DataError, ModelError, LookupError,
                ValueError) as error:
            self.controls.say(f"Nothing to draw from {task}: {error}")
            return None
        self._chosen = drawn
        self.controls.fill(drawn)
        self.controls.say("")
        return drawn

    def generate(self, names: Sequence[str] | None = None) -> None:
        """Let the chosen models (or these) write; what is wrong is said in place."""
        if self.trying.running:
            self.controls.say("The models are still writing. Stop them first.")
            return
        self._result = None
        try:
            problem, names = self._asked(), list(names or self.controls.chosen())
            if not names:
                raise AskError("Choose a model, at least one.")
        except AskError as error:
            self.controls.say(str(error))
            return
        self._tries += 1
        seed = self.course.seed + 1000 * self._tries  # another draw each time
        result = Result(problem, self.controls.settings(seed))
        self.controls.say("")
        self.controls.begin(names, self._head(result))
        self.trying.start(result, names)

    def stop(self) -> None:
        self.trying.stop()
        if self.trying.running:
            self.controls.state("Stopping …")
        else:
            self.controls.say("Nothing is being written.")

    def wait(self, timeout: float | None = None) -> Result | None:
        """Until the models have written; what they wrote, None where they were not asked. Keeps the
        page's copy of it, too: only what the running cell puts out itself stays in a notebook that
        papermill executes."""
        if self.trying.wait(timeout) and self._result:
            self._copy(self._result)
        return self._result

    def look_again(self) -> None:
        """Offer what has been made in the meantime."""
        if not self.trying.running:
            self._look_again()

    def _look_again(self) -> None:
        self._late = False
        self.models = self._look()
        if isinstance(self.trying.engine, CourseEngine):
            self.trying.engine = CourseEngine(self.course, self.models)
        self.controls.offer(self.models)
        self._offer_to_make()

    def _offer_to_make(self) -> None:
        stages = [one.name for one in self.models if one.makeable]
        self.maker.offer(stages)
        if stages or self.maker.making.running:  # once it is there it stays: it has the keyboard
            self.controls.to_make.children = (self.maker.box,)

    def _is_made(self, stage: str) -> None:
        """Offer it: now, or when the models that write have ended."""
        self._late = True
        self.look_again()

    def _closed(self, change: dict) -> None:
        if change["new"] is None:
            self.maker.leave()

    def recall(self, place: int) -> None:
        """Show an earlier result."""
        if self.trying.running:
            self.controls.say("The models are still writing. Stop them first.")
            return
        result = self.results[place]
        self._chosen = result.problem
        self.controls.fill(result.problem)
        self.controls.begin([one.name for one in result.answers], self._head(result))
        for answers in result.answers:
            self.controls.column(answers.name, pages.column(answers.name, answers))
        self.controls.progress(1.0, "An earlier try.")
        self._copy(result)

    # What the thread reports

    def loading(self, name: str) -> None:
        self.controls.state(f"Loading {name} …")

    def writing(self, name: str, samples: Sequence[Sample], share: float) -> int:
        tokens, done = max(len(one.ids) for one in samples), sum(one.done for one in samples)
        self.controls.progress(share, f"{name}: token {tokens}, {done} of {len(samples)} "
                                      f"sample{'s' * (len(samples) != 1)} done")
        html = pages.column(name, None, samples)
        self.controls.column(name, html)
        return len(html)

    def answered(self, answers: Answered, notices: Sequence[str]) -> None:
        self.controls.column(answers.name, pages.column(answers.name, answers))
        if notices:
            self.controls.say(" ".join(notices))

    def finished(self, result: Result) -> None:
        self._result = result
        self.results.append(result)
        asked = {answers.name for answers in result.answers}
        for name in self.controls.waiting(asked):
            self.controls.column(name, pages.unasked(name))
        self.controls.head.value = self._head(result)
        try:
            history.append(history.place(self.course), result)
        except ArtifactError as error:
            self.controls.say(str(error))
        self.controls.remember(self.results)
        self._copy(result)
        stopped = result.stopped or self.trying.stopping
        self.controls.progress(None if stopped else 1.0, "Stopped." if stopped else "Done.")
        if self._late:
            self._look_again()

    def _of_task(self, task: str) -> Sequence[Problem]:
        """A task's validation problems that are not too long to be asked. Those of another task are
        asked as this course asks: the models have learned its words and its format."""
        course, engine = self.course, self.trying.engine
        if task != course.task:
            course = Course.load(course.preset, task, course.seed)
        problems: Any = Track(course).problems("validation")  # Records are of problems here
        if not isinstance(engine, CourseEngine):
            return problems
        return prompts.fitting_prompts(problems, self.course, engine.tokenizer(BASES[0]))[0]

    def _asked(self) -> Problem:
        question, answer = self.controls.text()
        drawn = self._chosen
        if drawn and (question, answer) == (drawn.question, drawn.answer):
            return drawn  # with its solution and its id
        return typed(question, answer, self.puzzles)

    def _head(self, result: Result) -> str:
        return self.live.hiding() + pages.problem_page(result) + pages.legend()

    def _copy(self, result: Result) -> None:
        self.live.page(pages.page(result), f"(the answers to: {result.problem.question[:200]})")
