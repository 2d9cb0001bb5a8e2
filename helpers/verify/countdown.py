"""Countdown: reach a target with given numbers, each exactly once, by + - * / and parentheses.

A completion is untrusted: its expression is never evaluated by Python, its syntax tree is walked
and calculated with exact fractions. What counts:

- **strict**: the only `<answer>` pair, with nothing after it; in it the bare expression, of digits
  and + - * / ( ).
- **lenient**: the last `<answer>` pair outside `<think>`; in it `×`, `÷` and `−` may stand for the
  signs, and `= N` may follow if N is the target (a wrong claim makes the answer wrong).

A minus sign may stand before a number or a bracket (`-3 + 5`); `**`, `//`, decimals, digits glued
together and numbers used never or twice are wrong.
"""

import ast
import operator
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from helpers.verify.extract import GRADINGS, TAIL

LONGEST = 200  # characters of an expression; the longest with six numbers of two digits has 40
RIGHT, NO_ANSWER = "right", "no answer"
FORMAT_SCORE = 0.1  # an answer in its tags that is wrong

_STRICT = re.compile(r"[0-9+\-*/() ]+")
_EQUALS = re.compile(r"(?P<expression>[^=]+)=\s*(?P<claimed>-?[0-9]+)")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-", "⋅": "*", "·": "*"})
_LATEX_SIGNS = (("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"))
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
               ast.Div: operator.truediv}


def extract_expression(text: str, grading: str = "strict") -> str | None:
    """Return what stands between the answer tags, or None if there is no such answer.

    Only the last 20,000 characters are looked at. An unknown grading is a ValueError.
    """
    if grading not in GRADINGS:
        raise ValueError(f"unknown grading {grading!r}; known: {', '.join(GRADINGS)}")
    text = text[-TAIL:].strip()
    if grading == "strict":
        once = text.count("<answer>") == text.count("</answer>") == 1
        if not once or not text.endswith("</answer>"):
            return None
    text = text.rpartition("</think>")[2]
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return (text[start + len("<answer>") : end].strip() or None) if start >= 0 else None


def evaluate(expression: str) -> tuple[Fraction, list[int]]:
    """Return (exact value, numbers used, in order); ValueError says why it cannot be."""
    if len(expression) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    if not _STRICT.fullmatch(expression):
        raise ValueError("only digits, + - * / and parentheses may stand in it")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        numbers: list[int] = []
        return _value(tree.body, numbers), numbers
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("not an expression") from None


def _value(node: ast.expr, numbers: list[int]) -> Fraction:
    """Calculate one node of the tree; `numbers` collects the numbers it uses."""
    if isinstance(node, ast.Constant):
        numbers.append(node.value)
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, numbers)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = _value(node.left, numbers), _value(node.right, numbers)
        return _OPERATIONS[type(node.op)](left, right)
    name = type(getattr(node, "op", node)).__name__
    raise ValueError(f"{name} is not one of + - * /")


def reason(
    text: str, nums: Sequence[int], target: int, grading: str = "strict"
) -> tuple[str | None, str]:
    """Return (the expression found, the verdict in words); the verdict is "right" or what is wrong:
    "no answer", "not an expression: …", "other numbers", "wrong value"."""
    expression = extract_expression(text, grading)
    if expression is None:
        return None, NO_ANSWER
    try:
        value, used = evaluate(_plain(expression, target) if grading == "lenient" else expression)
    except ValueError as error:
        return expression, f"not an expression: {error}"
    if Counter(used) != Counter(nums):
        return expression, "other numbers"
    return expression, RIGHT if value == target else "wrong value"


def _plain(expression: str, target: int) -> str:
    """The expression in plain signs, without a true `= N` behind it."""
    written = expression.translate(_SIGNS)
    for sign, plain in _LATEX_SIGNS:
        written = written.replace(sign, plain)
    claim = _EQUALS.fullmatch(written)
    # Digits are compared as text: int() refuses very long ones.
    if claim and claim["claimed"].lstrip("0") == str(target).lstrip("0"):
        return claim["expression"].strip()
    return written


def value_of(text: str, nums: Sequence[int], target: int) -> Fraction | None:
    """What the answer comes to, found leniently: so equal answers are told, however they are
    written. None where there is no expression, or one of other numbers."""
    expression = extract_expression(text, "lenient")
    try:
        value, used = evaluate(_plain(expression or "", target))
    except ValueError:
        return None
    return value if Counter(used) == Counter(nums) else None


def grade_countdown(
    text: str, nums: Sequence[int], target: int, grading: str = "strict"
) -> bool:
    """Say whether the completion `text` solves the problem."""
    return reason(text, nums, target, grading)[1] == RIGHT


def score(text: str, nums: Sequence[int], target: int) -> float:
    """Return 1.0 for a right answer, 0.1 for a wrong one in the asked format, 0.0 without one.

    The format is the strict one: one pair of answer tags, with nothing after it. The rule is that
    of TinyZero (https://github.com/Jiayi-Pan/TinyZero), the check is exact.
    """
    verdict = reason(text, nums, target)[1]
    return {RIGHT: 1.0, NO_ANSWER: 0.0}.get(verdict, FORMAT_SCORE)


def check_problem(nums: object, target: object) -> str | None:
    """Return what is wrong with a problem's numbers and target, or None if they are in order."""
    if isinstance(nums, str | bytes) or not isinstance(nums, Sequence) or not nums:
        return f"nums {nums!r} is not a list of numbers"
    if wrong := [n for n in [*nums, target] if not isinstance(n, int) or isinstance(n, bool)]:
        return f"{wrong[0]!r} is not a whole number"
    return None
