"""How each answer format marks the answer, and whether a system prompt asks for that.

A model does what its system prompt says, and is graded in `answer_format`: where the two speak of
different marks, every right answer would be counted as wrong.
"""

# answer_format: the marks of its answers, and a system prompt that asks for them.
MARKS = {
    "hash": ("####",),
    "xml": ("<reasoning>", "<answer>"),
    "boxed": (r"\boxed",),
    "think": ("<think>", r"\boxed"),
    "countdown": ("<think>", "<answer>"),
}
INSTRUCTIONS = {
    "hash": 'Solve the problem step by step. End with a line "#### " and the answer.',
    "xml": "Solve the problem step by step inside <reasoning> </reasoning> tags. Then give the "
           "answer inside <answer> </answer> tags.",
    "boxed": r"Let's think step by step and output the final answer within \boxed{}.",
    "think": "Think step by step inside <think> </think> tags. Then put your final answer within "
             r"\boxed{}.",
    "countdown": "Show your work in <think> </think> tags. Return the final answer in <answer> "
                 "</answer> tags.",
}


def mismatch(answer_format: str, system_prompt: str) -> str | None:
    """One line if the prompt asks for marks, but not for all of this format's; else None.

    A prompt that names no mark at all is fine, and so is every prompt for a format without marks.
    """
    own = MARKS.get(answer_format, ())
    asked = [mark for mark in dict.fromkeys(sum(MARKS.values(), ())) if mark in system_prompt]
    missing = [mark for mark in own if mark not in system_prompt]
    if not asked or not missing:
        return None
    # In YAML's single quotes nothing but the quote itself is special, and a shell's line is usually
    # in them too, so the text is given as it is.
    return (f"answer_format: is {answer_format!r}, but system_prompt asks for "
            f"{' and '.join(asked)} and not for {' and '.join(missing)}; override both, for "
            f"instance with system_prompt: {INSTRUCTIONS[answer_format]}")
