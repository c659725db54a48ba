"""What a tree of tokens is made of: its nodes, their fates, and where each is drawn.

Home notebook: 09_decoding.
"""

from __future__ import annotations

from dataclasses import dataclass

# fate -> its sign; the same in generation_tree.js, a test holds them equal
SIGNS = {
    "chosen": "●",
    "passed": "○",
    "kept": "●",
    "pruned": "✂",
    "finished": "■",
    "accepted": "✓",
    "rejected": "✗",
    "unread": "?",
    "own": "+",
}
DROPPED = ("passed", "pruned", "rejected", "unread")


@dataclass(frozen=True)
class TreeNode:
    """One token that was looked at.

    Args:
        time: the turn in which it was looked at, from 0.
        depth: its place after the prompt, from 0.
        parent: index of the token before it, or -1.
        token: its label.
        log_prob: of the token alone, in nats; None where nobody computed it.
        total: of the whole branch.
        fate: a key of `SIGNS`.
    """

    time: int
    depth: int
    parent: int
    token: str
    log_prob: float | None
    total: float | None
    fate: str


@dataclass(frozen=True)
class Growth:
    """A grown tree, and what it says.

    Args:
        text: what was read.
        prompt: labels of its tokens.
        nodes: all tokens that were looked at; parents come before their children.
        texts: the texts found, best first: the new text, its score, its last node.
        note: a sentence for the reader.
        can_back: whether there is an earlier prompt to return to.
    """

    text: str
    prompt: list[str]
    nodes: list[TreeNode]
    texts: list[tuple[str, float, int]]
    note: str = ""
    can_back: bool = False


def rows_of(nodes: list[TreeNode]) -> list[int]:
    """Place the tokens of each column: those taken on top, then by their sums.

    Args:
        nodes: the tree.

    Returns:
        The row of each node, from 0.
    """
    columns: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        columns.setdefault(node.depth, []).append(i)
    rows = [0] * len(nodes)
    for column in columns.values():

        def rank(i):
            total = nodes[i].total
            worst = total is None
            return nodes[i].fate in DROPPED, worst, 0 if worst else -total

        for row, i in enumerate(sorted(column, key=rank)):
            rows[i] = row
    return rows
