"""Rows of the nine data sets in the columns of their data cards, with the known defects planted.

`PLANTED` has for each set its training rows, what the loader must count, and how many records
remain over all splits that are taken from these rows. All texts are our own.
"""

from tests.hub.tiny_repo import gsm8k_row


def turns(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """User and assistant in turn, after a system turn if one is given."""
    first = [{"content": system, "role": "system"}] if system else []
    return first + [{"content": text, "role": ("user", "assistant")[i % 2]}
                    for i, text in enumerate(texts)]


def trace(n: int, answer: object, words: str = "") -> str:
    return (f"<think>\nI add {n} and 7. {words}So \\boxed{{{answer}}} it is.\n</think>\n\n"
            f"The answer is \\boxed{{{answer}}}.")


def openr1_row(n: int, **changes) -> dict:
    """Two complete traces, of which the first, longer one is right."""
    row = {
        "problem": f"Compute ${n} + 7$.", "solution": f"{n} + 7 = {n + 7}.", "answer": str(n + 7),
        "problem_type": "Algebra", "question_type": "math-word-problem", "source": "olympiads",
        "uuid": f"00000000-0000-4000-8000-{n:012d}", "is_reasoning_complete": [True, True],
        "generations": [trace(n, n + 7, "Let me check. "), trace(n, n + 8)],
        "correctness_math_verify": [True, False], "correctness_llama": None,
        "finish_reasons": None, "correctness_count": 1,
        "messages": turns(f"Compute ${n} + 7$.", trace(n, n + 7, "Let me check. ")),
    }
    return row | changes


def deepscaler_row(n: int, **changes) -> dict:
    return {"problem": f"What is ${n} \\cdot 3$?", "answer": str(3 * n),
            "solution": f"${n} \\cdot 3 = \\boxed{{{3 * n}}}$." if n % 2 else ""} | changes


def countdown_row(n: int, **changes) -> dict:
    return {"target": 10 + n, "nums": [n, 3, 7]} | changes


def warmstart_row(n: int, **changes) -> dict:
    return {"query": "A conversation between User and Assistant. The user asks a question, and the "
                     "Assistant solves it.\nUser: Using the numbers [7, 3, "
                     f"{n}], create an equation that equals {10 + n}. You can use basic arithmetic "
                     "operations (+, -, *, /) and each number can only be used once. Return the "
                     "answer in <answer> </answer> tags, \nfor example <answer> (1 + 2) / 3 "
                     "</answer>.\nAssistant: Let me solve this step by step.",
            "completion": f"<think>\n7 + 3 = 10, 10 + {n} = {10 + n}.\n</think>\n"
                          f"<answer> (7 + 3) + {n} </answer>"} | changes


def smoltalk_row(n: int, **changes) -> dict:
    return {"messages": turns(f"Say {n} in words.", f"Number {n}."),
            "source": "smol-magpie-ultra-short"} | changes


def ultrafeedback_row(n: int, **changes) -> dict:
    prompt = f"Name {n} animals."
    row = {"prompt": prompt, "prompt_id": f"{n:064x}", "chosen": turns(prompt, f"Here are {n}: …"),
           "rejected": turns(prompt, "No."), "messages": turns(prompt, f"Here are {n}: …"),
           "score_chosen": 8.5, "score_rejected": 3.0}
    return row | changes


def aime24_row(n: int, **changes) -> dict:
    return {"id": n, "problem": f"Let $m = {n}$. Find the remainder of $m^2$ modulo 1000.",
            "solution": f"It is $\\boxed{{{n * n % 1000:03d}}}$.", "answer": f"{n * n % 1000:03d}",
            "url": "https://example.org", "year": "2024"} | changes


def math500_row(n: int, **changes) -> dict:
    return {"problem": f"Simplify $\\dfrac{{{2 * n}}}{{{2 * n + 2}}}$.",
            "solution": f"Halve both: $\\boxed{{\\frac{{{n}}}{{{n + 1}}}}}$.",
            "answer": f"\\frac{{{n}}}{{{n + 1}}}", "subject": "Prealgebra", "level": 1,
            "unique_id": f"test/prealgebra/{n}.json"} | changes


MAKERS = {"gsm8k": gsm8k_row, "openr1": openr1_row, "deepscaler": deepscaler_row,
          "countdown": countdown_row, "warmstart": warmstart_row, "smoltalk": smoltalk_row,
          "ultrafeedback": ultrafeedback_row, "aime24": aime24_row, "math500": math500_row}
GOOD = 60  # good training rows of each set
# 900: in the set's own test split, where it has one; 400 and 800: in AIME and MATH-500.
TESTS = {"gsm8k": gsm8k_row(900), "warmstart": warmstart_row(900), "smoltalk": smoltalk_row(900),
         "ultrafeedback": ultrafeedback_row(900), "aime24": aime24_row(400),
         "math500": math500_row(800)}
LEAKS = {
    "in aime24": "Let m=400. Find the remainder of \\(m^2\\) modulo $1000$",
    "in math500": "simplify  $\\frac{1600}{1602}$.",
    "in gsm8k": TESTS["gsm8k"]["question"].replace(" ", "  "),
}
N = 1000  # number of the broken rows' problem: it stands in no good row
PLANTED = {
    "gsm8k": [("duplicates", gsm8k_row(0)), ("in_test", TESTS["gsm8k"])],
    "openr1": [
        ("no problem text", openr1_row(N, problem=None)),
        ("no answer", openr1_row(N, answer=None)),
        ("no answer", openr1_row(N, answer=" ")),
        ("a proof: no answer to check", openr1_row(N, answer="proof", question_type="proof")),
        ("broken answer", openr1_row(N, answer="v=4\\mathrm{~}/\\mathrm{}")),
        ("broken answer", openr1_row(N, answer="\\frac{1}{2")),
        ("no traces, or no flags for them", openr1_row(N, generations=[])),
        ("no traces, or no flags for them", openr1_row(N, is_reasoning_complete=None)),
        ("flags that do not belong to the traces one by one",
         openr1_row(N, correctness_math_verify=[True])),
        ("flags that do not belong to the traces one by one",
         openr1_row(N, is_reasoning_complete=[True, True, True])),
        ("no complete trace", openr1_row(N, is_reasoning_complete=[False, False])),
        ("no complete trace", openr1_row(N, finish_reasons=["length", "length"])),
        ("no complete trace is right", openr1_row(N, is_reasoning_complete=[False, True])),
        ("no complete trace is right", openr1_row(N, correctness_math_verify=[False, False])),
        ("no complete trace is right", openr1_row(N, correctness_math_verify=None)),
        ("trace without <think>…</think> and an answer behind it",
         openr1_row(N, generations=["The answer is \\boxed{1007}.", trace(N, 1)])),
        ("trace without <think>…</think> and an answer behind it",
         openr1_row(N, generations=["<think>\nhm\n</think>\n", trace(N, 1)])),
        ("duplicates", openr1_row(0)),
        ("duplicates", openr1_row(0, problem="compute \\(0+7\\)")),
        *((reason, openr1_row(N, problem=problem)) for reason, problem in LEAKS.items()),
    ],
    "deepscaler": [
        ("no answer", deepscaler_row(N, answer="")),
        ("no answer", deepscaler_row(N, answer=None)),
        ("no problem text", deepscaler_row(N, problem=" ")),
        ("duplicates", deepscaler_row(1)),
        *((reason, deepscaler_row(N, problem=problem)) for reason, problem in LEAKS.items()),
    ],
    "countdown": [
        ("no numbers or no target", countdown_row(N, nums=None)),
        ("no numbers or no target", countdown_row(N, nums=[])),
        ("no numbers or no target", countdown_row(N, target=None)),
        ("duplicates", countdown_row(0, nums=[7, 0, 3])),
        ("in warmstart", countdown_row(900)),
    ],
    "warmstart": [
        ("no query", warmstart_row(N, query=None)),
        ("no puzzle in the query", warmstart_row(N, query="User: Hello.\nAssistant:")),
        ("no completion", warmstart_row(N, completion="")),
        ("completion without <think>…</think> and <answer>…</answer>",
         warmstart_row(N, completion="<think>\nhm")),
        ("completion without <think>…</think> and <answer>…</answer>",
         warmstart_row(N, completion="<think>\nhm\n</think>\n<answer> </answer>")),
        ("completion without <think>…</think> and <answer>…</answer>",
         warmstart_row(N, completion=warmstart_row(N)["completion"] + " Or not.")),
        ("duplicates", warmstart_row(0)),
        ("in_test", warmstart_row(900)),
    ],
    "smoltalk": [
        ("no messages", smoltalk_row(N, messages=None)),
        ("no messages", smoltalk_row(N, messages=[])),
        ("an empty turn", smoltalk_row(N, messages=turns("Hi.", " "))),
        ("an empty turn", smoltalk_row(N, messages=[{"role": "user", "content": None}])),
        ("no answer to the last turn", smoltalk_row(N, messages=turns("a", "b", "c"))),
        ("turns out of order", smoltalk_row(N, messages=turns("a", "b")[::-1] + turns("c", "d"))),
        ("turns out of order", smoltalk_row(N, messages=turns(system="Be kind."))),
        ("duplicates", smoltalk_row(0, source="openhermes-50k")),
        ("in_test", TESTS["smoltalk"]),
        ("in ultrafeedback", smoltalk_row(N, messages=turns("Name 901 animals.", "a"))),
    ],
    "ultrafeedback": [
        ("a tie", ultrafeedback_row(N, score_rejected=8.5)),
        ("the rejected answer scores more", ultrafeedback_row(N, score_rejected=9.0)),
        ("no score", ultrafeedback_row(N, score_chosen=None)),
        ("both answers are the same text",
         ultrafeedback_row(N, rejected=turns(f"Name {N} animals.", f"Here are {N}: … "))),
        ("no prompt", ultrafeedback_row(N, prompt=None)),
        ("rejected: no messages", ultrafeedback_row(N, rejected=[])),
        ("chosen: an empty turn", ultrafeedback_row(N, chosen=turns("a", ""))),
        ("the two answers are to different prompts",
         ultrafeedback_row(N, rejected=turns("Name a plant.", "b"))),
        ("the two answers are to different prompts", ultrafeedback_row(N, prompt="Name a plant.")),
        ("duplicates", ultrafeedback_row(0)),
        ("in_test", TESTS["ultrafeedback"]),
        ("in_test", ultrafeedback_row(901)),
    ],
}


def training_rows(name: str) -> list[dict]:
    """The good rows with the broken ones among them."""
    rows = [MAKERS[name](n) for n in range(GOOD)]
    for place, (_, row) in enumerate(PLANTED[name]):
        rows.insert(7 * place % len(rows), row)
    return rows


def expected(name: str) -> dict[str, int]:
    """Reason -> count of what was planted."""
    counts: dict[str, int] = {}
    for reason, _ in PLANTED[name]:
        counts[reason] = counts.get(reason, 0) + 1
    return counts


def files_of(name: str) -> dict[str, list[dict]]:
    """The hub's splits of a set with their rows."""
    if name == "ultrafeedback":  # a tie in test_prefs, whose prompt is held out all the same
        test = [TESTS[name], ultrafeedback_row(901, score_rejected=8.5)]
        good = [ultrafeedback_row(n) for n in range(20)]
        prompts = [row | {"messages": row["messages"][:1]} for row in good]
        return {"train_prefs": training_rows(name), "train_sft": good, "train_gen": prompts,
                "test_prefs": test, "test_sft": test, "test_gen": test}
    if name == "aime24":
        return {"train": [TESTS[name], *(aime24_row(n) for n in range(401, 405))]}
    if name == "math500":
        return {"test": [TESTS[name], *(math500_row(n) for n in range(801, 805))]}
    train = {"train": training_rows(name)}
    return train | ({"test": [TESTS[name]]} if name in TESTS else {})
