"""How many worked examples suit a base best: tried on validation, as decoding is.

Whoever compares with a base that is shown examples chooses their number, and a number that suits it
badly makes the rung above look good. So the numbers of `evaluation.sweep.few_shot` are tried on
problems of the validation split, and the one with the best greedy answers is kept.
"""

from collections.abc import Callable, Sequence

from helpers import stats
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.evaluate import asked
from helpers.track import KINDS, Track


def tried(
    model, tokenizer, problems: Sequence[Problem], course: Course, demonstrations: Sequence,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """One entry a number of examples, the first so many of `demonstrations`: {"few_shot", "greedy",
    "greedy_ci95", "lenient_greedy", "problems"}, shares of right greedy answers with Wilson's
    intervals. Where there are fewer demonstrations, all of them are tried. `problems` should be of
    a split that is not measured; ValueError without any.
    """
    from helpers import sampling  # torch: not needed to choose

    if not problems:
        raise ValueError("no problems to try numbers of examples on: evaluation.sweep.problems of "
                         "the validation split")
    track = Track(course)
    numbers = sorted({min(one, len(demonstrations)) for one in course.evaluation.sweep.few_shot})
    entries = []
    for done, number in enumerate(numbers):
        texts, how = asked(track, tokenizer, problems, demonstrations[:number])
        answers = sampling.generate(model, tokenizer, texts, greedy=True, **how)
        verdicts = track.all_verdicts(list(zip(problems, answers, strict=True)))
        right = {kind: sum(one[kind][0] for one in verdicts) for kind in KINDS}
        entries.append({
            "few_shot": number, "greedy": right["strict"] / len(problems),
            "greedy_ci95": list(stats.wilson_interval(right["strict"], len(problems))),
            "lenient_greedy": right["lenient"] / len(problems), "problems": len(problems)})
        if progress is not None:
            progress(done + 1, len(numbers))
    return entries


def choose(entries: Sequence[dict]) -> int:
    """The number of examples with the most right greedy answers, strict; of several, the
    smallest."""
    return max(entries, key=lambda one: (one["greedy"], -one["few_shot"]))["few_shot"]
