"""Self-consistency of a model's samples: is the most frequent answer right, and how frequent is it?

Both go by that name. Wang et al. 2022 (arXiv:2203.11171) take the most frequent answer for the
model's own: whether it is right is an accuracy, here `maj@n`. Others report how much the samples of
a problem agree, right or wrong: `agreement` here, which a model that is always wrong in the same
way has in full.
"""

from collections.abc import Sequence

import numpy as np

from helpers.stats import grouped, majority_vote
from helpers.track import answer_of


def consistency(rows: Sequence[dict]) -> dict[str, float]:
    """{"maj@<n>", "agreement"}, means over problems between 0 and 1; n: the samples of a row.

    Answers are found leniently, as in `score`. A sample without one does not vote; for the
    agreement all samples without an answer are as one answer.
    """
    answers = [[answer_of(row, text) for text in row["completions"]] for row in rows]
    votes = [majority_vote(some, row["answer"]) for some, row in zip(answers, rows, strict=True)]
    agreed = [max([some.count(None), *(len(group) for group in grouped(
        [one for one in some if one is not None]))]) / len(some) for some in answers]
    return {f"maj@{len(answers[0])}": float(np.mean(votes)), "agreement": float(np.mean(agreed))}
