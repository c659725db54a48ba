"""Grow the tree of tokens that a decoding method looks at, live.

Home notebook: 09_decoding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmkit.checks import check_type
from llmkit.decoding import Sampling, beam_search, generate, speculative
from llmkit.decoding.filters import probabilities
from llmkit.explore.given import own_model
from llmkit.tokenizers import as_tokenizer
from llmkit.trace.running import running
from llmkit.trace.tokens import token_label
from llmkit.viz.generation_tree import MODES, GenerationTree
from llmkit.viz.growth import Growth, TreeNode

_BESIDE = 4  # tokens shown beside the one that was chosen


def generation_tree(
    model,
    tokenizer,
    text: str,
    mode: str = "greedy",
    draft=None,
    stop_ids=(),
    **knobs,
) -> GenerationTree:
    """Show every token that a decoding method looks at.

    Args:
        model: a decoder of the kit, or a model of `transformers` of such a
            family.
        tokenizer: its tokenizer.
        text: the prompt to begin with; the reader can change it.
        mode: "greedy", "sampling", "beam" or, with a draft, "speculative".
        draft: a smaller model with the same vocabulary, for speculative decoding.
        stop_ids: tokens that end a text.
        **knobs: tokens, temperature, top_k, top_p, beams, length_penalty, guesses,
            seed.

    Returns:
        The widget. The texts in `.texts` are those of `generate`, `beam_search` and
        `speculative` with the same settings; `.continue_from(node)` goes on from one.
    """
    check_type("text", text, str)
    draft = None if draft is None else own_model(draft)
    grower = Grower(own_model(model), as_tokenizer(tokenizer), draft, stop_ids)
    modes = [m for m in MODES if m != "speculative" or draft is not None]
    return GenerationTree(grower.grow, modes=modes, mode=mode, text=text, knobs=knobs)


class Grower:
    """Decodes, and keeps the tree of what was looked at.

    Args:
        model: a decoder of the kit.
        tokenizer: its tokenizer.
        draft: the smaller one, or None.
        stop_ids: tokens that end a text.
    """

    def __init__(self, model, tokenizer, draft=None, stop_ids=()):
        self.model, self.tokenizer, self.draft = model, tokenizer, draft
        self.stop_ids = list(stop_ids)
        self.ids: list[int] = []
        self._past: list[list[int]] = []
        self._node_ids: list[int] = []

    def grow(
        self,
        mode: str,
        knobs: dict,
        text: str | None = None,
        path: list[int] | None = None,
        back: bool = False,
    ) -> Growth:
        """Grow a tree; see `GenerationTree` for the arguments.

        Returns:
            The tree. A text without tokens gives an empty one with a note.
        """
        if text is not None:
            self.ids, self._past = self.tokenizer.encode(text), []
        elif path is not None:
            self._past.append(self.ids)
            self.ids = self.ids + [self._node_ids[i] for i in path]
        elif back and self._past:
            self.ids = self._past.pop()
        self._node_ids = []
        if not self.ids:
            note = "Type something: the model needs at least one token to go on."
            return Growth(text or "", [], [], [], note)
        room = self.model.config.context_length - len(self.ids) + 1
        count = min(int(knobs["tokens"]), room)
        if count < 1:
            raise ValueError("the text fills the model's context; type a shorter one")
        device = next(self.model.parameters()).device
        ids = torch.tensor([self.ids], device=device)
        with running(self.model):
            nodes, ends, note = getattr(self, f"_{mode}")(ids, count, knobs)
        texts = []
        for end, power in ends:
            score = nodes[end].total / (nodes[end].depth + 1) ** power
            texts.append((self._text(nodes, end), score, end))
        prompt = [token_label(self.tokenizer, i) for i in self.ids]
        whole = self.tokenizer.decode(self.ids) if text is None else text
        return Growth(whole, prompt, nodes, texts, note, bool(self._past))

    # --- the methods: nodes, (last node, power of the length) of each text, note ---
    def _greedy(self, ids: Tensor, count: int, knobs: dict):
        return self._one_path(ids, count, Sampling(temperature=0), None, knobs)

    def _sampling(self, ids: Tensor, count: int, knobs: dict):
        names = ("temperature", "top_k", "top_p")
        sampling = Sampling(**{name: knobs[name] for name in names})
        generator = torch.Generator().manual_seed(int(knobs["seed"]))
        return self._one_path(ids, count, sampling, generator, knobs)

    def _beam(self, ids: Tensor, count: int, knobs: dict):
        found = beam_search(
            *(self.model, ids, count),
            num_beams=int(knobs["beams"]),
            length_penalty=knobs["length_penalty"],
            stop_ids=self.stop_ids,
        )
        nodes = [
            self._node(n.step, n.step, n.parent, n.token, n.log_prob, n.total, n.fate)
            for n in found.nodes
        ]
        pruned = sum(n.fate == "pruned" for n in found.nodes)
        note = f"{len(nodes)} candidates were looked at and {pruned} pruned."
        return nodes, [(h.node, knobs["length_penalty"]) for h in found.best], note

    def _speculative(self, ids: Tensor, count: int, knobs: dict):
        found = speculative(
            *(self.model, self.draft, ids, count),
            guesses=int(knobs["guesses"]),
            stop_ids=self.stop_ids,
        )
        log_probs = self._log_probs(found.ids)[ids.shape[1] - 1 :]
        nodes: list[TreeNode] = []
        at, total, depth = -1, 0.0, 0
        for time, turn in enumerate(found.rounds):
            before = at
            for place, guess in enumerate(turn.guesses):
                fate = "accepted" if place < turn.accepted else "unread"
                fate = "rejected" if place == turn.accepted else fate
                log_prob = float(log_probs[depth + place, guess])
                if fate == "unread":  # it stands after a token that did not come
                    log_prob = branch = None
                else:
                    branch = total + log_prob
                place += depth
                parent, before = before, len(nodes)
                nodes.append(
                    self._node(time, place, parent, guess, log_prob, branch, fate)
                )
                if fate == "accepted":
                    at, total = before, branch
            depth += turn.accepted
            if turn.token is not None:
                log_prob = float(log_probs[depth, turn.token])
                total += log_prob
                nodes.append(
                    self._node(time, depth, at, turn.token, log_prob, total, "own")
                )
                at, depth = len(nodes) - 1, depth + 1
        note = (
            f"{found.accepted} of {found.guessed} guesses were accepted: {depth} "
            f"tokens from {len(found.rounds)} passes of the model instead of {depth}."
        )
        return nodes, [(at, 1.0)], note

    def _one_path(self, ids, count, sampling, generator, knobs):
        """Write one text; beside each token, show the likeliest that did not come."""
        out = generate(
            *(self.model, ids, count),
            stop_ids=self.stop_ids,
            generator=generator,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
        )
        log_probs = self._log_probs(out)
        nodes, at, total = [], -1, 0.0
        for depth, place in enumerate(range(ids.shape[1], out.shape[1])):
            row, token = log_probs[place - 1], int(out[0, place])
            chances = row
            if not sampling.greedy:  # only what the filters let through could have come
                chances = probabilities(row[None], None, sampling)[0].log()
            beside = [
                i
                for i in chances.topk(min(_BESIDE + 1, len(row))).indices.tolist()
                if i != token and chances[i] > -torch.inf
            ]
            for i in [token, *beside[:_BESIDE]]:
                fate = "chosen" if i == token else "passed"
                own = float(row[i])
                nodes.append(self._node(depth, depth, at, i, own, total + own, fate))
            at = len(nodes) - 1 - len(beside[:_BESIDE])
            total = nodes[at].total
        return nodes, [(at, knobs["length_penalty"])], ""

    # --- parts ---------------------------------------------------------------------
    @torch.no_grad()
    def _log_probs(self, ids: Tensor) -> Tensor:
        """Read a whole text once, (1, T) to (T, V); the last token says nothing."""
        room = self.model.config.context_length
        return self.model(ids[:, :room]).logits[0].float().log_softmax(-1).cpu()

    def _node(self, time, depth, parent, token_id, log_prob, total, fate) -> TreeNode:
        self._node_ids.append(token_id)
        label = token_label(self.tokenizer, token_id)
        return TreeNode(time, depth, parent, label, log_prob, total, fate)

    def _text(self, nodes: list[TreeNode], end: int) -> str:
        ids = []
        while end != -1:
            ids.append(self._node_ids[end])
            end = nodes[end].parent
        return self.tokenizer.decode(ids[::-1])
