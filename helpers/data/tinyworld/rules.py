"""Which problems of the tiny world ask for a rule that the base model's texts misunderstand.

For these kinds the training splits of gsm8k and deepscaler hold answers and no worked solutions,
and warmstart and smoltalk have no rows: *demonstrations are dear, answers are cheap*. So what
supervised tuning imitates covers the other kinds alone, and what is paid by the answer covers all.
Of openr1 every kind has traces. The kind is found in the problem's own text, as it is for real data
sets in `helpers.data.kinds`; the rows keep the columns of the hub.
"""

from __future__ import annotations

import re

from helpers.data.tinyworld.instruct import MISUNDERSTOOD as MISUNDERSTOOD_TASKS
from helpers.data.tinyworld.instructkinds import KINDS

STORIES = {  # rule of draft.MISUNDERSTOOD -> how a story says it
    "times": r"times as (?:many|old)",
    "fraction": r"half as (?:many|old)|(?:Half|One (?:third|quarter|fifth)) of them",
    "rate": r"each \w+ for \d+ \w+s\.|For \d+ \w+s, ",
    "backwards": r"at first\?$",
}
MATH = {  # family of mathfamily.MISUNDERSTOOD -> how its problems say it
    "bracket_equation": r"\(x \+ \d+\)|is added to a number and the sum is multiplied",
    "sequence_term": r"term of the arithmetic|term number \d|in the count\?",
    "sequence_sum": r"of the first \d+ (?:terms|numbers)|seats are in the first",
    "sum_and_difference": r"whose difference is|differ by|coins together",
    "perimeter_from_area": r"with area \d|has area \d|feet is it around",
    "triangle_area": r"area of a (?:right )?triangle|triangular sail",
    "triangle_angle": r"third angle|Find angle \$C\$",
    "pairs": r"ways to choose 2|\\binom|shakes hands|each team plays",
    "choices": r"number of outfits|meals of one each|one of each be chosen",
    "least_common_multiple": r"least common|smallest positive multiple|\\text\{lcm\}|lamp flashes",
    "fraction_of_number": r"\\frac\{\d+\}\{\d+\}\$ of (?:\d|them)",
    "percent": r"\\%",
}


def rules(question: str, nums: tuple[int, ...] = ()) -> tuple[str, ...]:
    """Names of the misunderstood rules that a problem asks for, in alphabetical order; () for none.

    question: the text of a word problem, a competition problem or an instruction; nums: the numbers
    of a Countdown puzzle, where somebody may leave one of four out.
    """
    if nums:
        return ("all four numbers",) if len(nums) > 3 else ()
    found = {name for name, said in (STORIES | MATH).items() if re.search(said, question)}
    found |= {name for name in MISUNDERSTOOD_TASKS if re.search(KINDS[name][2], question)}
    return tuple(sorted(found))
