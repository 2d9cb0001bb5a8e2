r"""What a formula is read into: a tree of numbers, letters, and what is done with them.

A tree is a tuple whose first entry says what it is:

| tree | written |
|---|---|
| `("num", Fraction)` | `12`, `1,450`, `0.5` (exactly 1/2), `4.5e33` |
| `("sym", name)` | `x`, `a_{10}`, `\theta`; of several letters each is a factor: `ab` |
| `("const", name)` | `pi`, `e`, `i` (the imaginary unit), `oo` (infinity) |
| `("+", a, b)`, `("*", a, b)`, `("/", a, b)`, `("^", a, b)`, `("neg", a)` | as usual, no `\pm` |
| `("!", a)`, `("binom", a, b)`, `("log", base, a)`, `("root", n, a)`, `("mod", a, m)` | `5!`,
`\binom{n}{k}`, `\log_2 8`, `\sqrt[3]{8}`, `3 \pmod 4` |
| `("fn", name, a)` | `\sin x`, `|x|` (abs), `\lfloor x \rfloor` (floor), `30°` (deg) |
"""

Tree = tuple


def symbols(tree: Tree) -> frozenset[str]:
    """The names of all letters in a tree."""
    if tree[0] == "sym":
        return frozenset({tree[1]})
    return frozenset().union(*(symbols(part) for part in tree[1:] if isinstance(part, tuple)))


def is_number(tree: Tree) -> bool:
    """Whether the tree is one number, with or without a sign: nothing is left to calculate."""
    return tree[0] == "num" or (tree[0] == "neg" and is_number(tree[1]))
