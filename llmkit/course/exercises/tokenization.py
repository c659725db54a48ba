"""Exercises of 01_tokenization: from text to tokens by hand."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from llmkit.course.exercise import Case, Exercise, Mistake
from llmkit.tokenizers import ByteBPETokenizer, WordPieceTokenizer
from llmkit.tokenizers.splitting import byte_characters

# --- count_pairs -------------------------------------------------------------------


def _count_pairs(words):
    counts = {}
    for word, number in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + number
    return counts


def _count_pairs_counter(words):
    counts = Counter()
    for word in words:
        for i in range(len(word) - 1):
            counts[word[i], word[i + 1]] += words[word]
    return dict(counts)


def _count_pairs_flat(words):
    every = [
        (word[i : i + 2], n)
        for word, n in words.items()
        for i in range(len(word))
        if i + 1 < len(word)
    ]
    return {pair: sum(n for q, n in every if q == pair) for pair, _ in every}


def _count_each_word_once(words):
    return dict(Counter(pair for word in words for pair in pairwise(word)))


def _count_pairs_once_in_a_word(words):
    counts = {}
    for word, number in words.items():
        for pair in set(pairwise(word)):
            counts[pair] = counts.get(pair, 0) + number
    return counts


def _count_across_words(words):
    line = [token for word, number in words.items() for token in word * number]
    return dict(Counter(pairwise(line)))


def _count_unordered(words):
    counts = {}
    for pair, number in _count_pairs(words).items():
        key = tuple(sorted(pair))
        counts[key] = counts.get(key, 0) + number
    return counts


def _count_single_tokens(words):
    counts = {}
    for word, number in words.items():
        for token in word:
            counts[token] = counts.get(token, 0) + number
    return counts


def _count_every_second(words):
    counts = {}
    for word, number in words.items():
        for i in range(0, len(word) - 1, 2):
            pair = word[i], word[i + 1]
            counts[pair] = counts.get(pair, 0) + number
    return counts


def _pair_cases():
    return [
        Case({("h", "u", "g"): 5, ("p", "u", "g"): 3, ("b", "u", "n"): 2}),
        Case({("b", "a", "n", "a", "n", "a"): 2}, note="a pair that comes back"),
        Case({("a", "b"): 4, ("b", "a"): 1}, note="both orders"),
        Case({("ab", "c", "d"): 3, ("x",): 9}, note="a word with a single token"),
        Case({}, note="no words"),
    ]


# --- merge_pair --------------------------------------------------------------------


def _merge_pair(tokens, pair):
    merged, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == tuple(pair):
            merged.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


def _merge_pair_stack(tokens, pair):
    out, free = [], False
    for token in tokens:
        if out and free and (out[-1], token) == tuple(pair):
            out[-1] += token
            free = False  # what was joined takes no part in a second joining
        else:
            out.append(token)
            free = True
    return out


def _merge_pair_recursive(tokens, pair):
    if len(tokens) < 2:
        return list(tokens)
    if tuple(tokens[:2]) == tuple(pair):
        return [tokens[0] + tokens[1], *_merge_pair_recursive(tokens[2:], pair)]
    return [tokens[0], *_merge_pair_recursive(tokens[1:], pair)]


def _merge_overlapping(tokens, pair):
    out = []
    for i, token in enumerate(tokens):
        if tuple(tokens[i : i + 2]) == tuple(pair):
            out.append(token + tokens[i + 1])
        elif i == 0 or tuple(tokens[i - 1 : i + 1]) != tuple(pair):
            out.append(token)
    return out


def _merge_keeps_right(tokens, pair):
    out = []
    for i, token in enumerate(tokens):
        joined = tuple(tokens[i : i + 2]) == tuple(pair)
        out.append(token + tokens[i + 1] if joined else token)
    return out


def _merge_first_only(tokens, pair):
    for i in range(len(tokens) - 1):
        if (tokens[i], tokens[i + 1]) == tuple(pair):
            return [*tokens[:i], tokens[i] + tokens[i + 1], *tokens[i + 2 :]]
    return list(tokens)


def _merge_drops_last(tokens, pair):
    out, i = [], 0
    while i < len(tokens) - 1:
        if (tokens[i], tokens[i + 1]) == tuple(pair):
            out.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


def _merge_again(tokens, pair):
    out = []
    for token in tokens:
        if out and out[-1].endswith(pair[0]) and token == pair[1]:
            out[-1] += token
        else:
            out.append(token)
    return out


def _merge_cases():
    return [
        Case(["h", "u", "g", "s"], ("u", "g")),
        Case(["b", "a", "n", "a", "n", "a"], ("a", "n"), note="a pair twice"),
        Case(["a", "a", "a"], ("a", "a"), note="overlapping pairs"),
        Case(["a", "a", "a", "a", "a"], ("a", "a"), note="more overlapping pairs"),
        Case(["a", "b", "b"], ("a", "b"), note="the second half twice"),
        Case(["x", "ab", "c"], ("b", "c"), note="a pair that is not there"),
        Case([], ("a", "b"), note="no tokens"),
    ]


# --- encode_word -------------------------------------------------------------------


def _encode_tokenizer(word, merges):
    alphabet = byte_characters()

    def shown(token):
        return "".join(alphabet[b] for b in token)

    vocab = {character: i for i, character in enumerate(alphabet)}
    for left, right in merges:
        vocab.setdefault(shown(left + right), len(vocab))
    pairs = [(shown(left), shown(right)) for left, right in merges]
    tokenizer = ByteBPETokenizer(vocab, pairs, pattern=r"[\s\S]+")
    return [tokenizer.token_bytes(i) for i in tokenizer.encode(word)]


def _encode_word(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    while True:
        found = [ranks[pair] for pair in pairwise(tokens) if pair in ranks]
        if not found:
            return tokens
        tokens = _merge_pair(tokens, merges[min(found)])


def _encode_in_order(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    for pair in merges:
        tokens = _merge_pair(tokens, pair)
    return tokens


def _encode_characters(word, merges):
    tokens = [character.encode("utf-8") for character in word]
    for pair in merges:
        tokens = _merge_pair(tokens, pair)
    return tokens


def _encode_latin(word, merges):
    tokens = [bytes([ord(c)]) for c in word if ord(c) < 256]
    for pair in merges:
        tokens = _merge_pair(tokens, pair)
    return tokens


def _encode_from_the_left(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    known = {tuple(pair) for pair in merges}
    i = 0
    while i < len(tokens) - 1:
        if (tokens[i], tokens[i + 1]) in known:
            tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
            i = 0
        else:
            i += 1
    return tokens


def _encode_longest(word, merges):
    data, known = word.encode("utf-8"), {left + right for left, right in merges}
    out, i = [], 0
    while i < len(data):
        size = next(
            (n for n in range(len(data) - i, 1, -1) if data[i : i + n] in known), 1
        )
        out.append(data[i : i + size])
        i += size
    return out


def _encode_frequent_first(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    known = {tuple(pair) for pair in merges}
    while True:
        counts = Counter(pair for pair in pairwise(tokens) if pair in known)
        if not counts:
            return tokens
        tokens = _merge_pair(tokens, max(counts, key=counts.get))


def _encode_last_rank_first(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
    while True:
        found = [ranks[pair] for pair in pairwise(tokens) if pair in ranks]
        if not found:
            return tokens
        tokens = _merge_pair(tokens, merges[max(found)])


def _encode_one_merge(word, merges):
    tokens = [bytes([b]) for b in word.encode("utf-8")]
    for pair in merges:
        joined = _merge_pair(tokens, pair)
        if joined != tokens:
            return joined
    return tokens


def _word_cases():
    plain = [(b"h", b"e"), (b"l", b"l"), (b"he", b"ll"), (b"l", b"o"), (b"ll", b"o")]
    # "b c" was learned before "a b", which stands further to the left
    order = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c"), (b"a", b"bc")]
    accent = [(b"\xc3", b"\xa9"), (b"f", b"\xc3\xa9"), (b"c", b"a")]
    # "abcd" is a token, yet "b c" comes first and leaves no way to it
    trap = [(b"b", b"c"), (b"a", b"b"), (b"c", b"d"), (b"ab", b"cd")]
    often = [(b"x", b"y"), (b"y", b"z"), (b"yz", b"yz")]
    return [
        Case("hello", plain),
        Case("hello", [], note="no merges: single bytes"),
        Case("abc", order, note="two pairs that share a token"),
        Case("abc", [*order[:2], order[3]], note="the left pair leads nowhere"),
        Case("café", accent, note="a letter of two bytes"),
        Case("東é", accent, note="bytes without a merge"),
        Case("abcd", trap, note="a longer token that cannot be reached"),
        Case("xyzyz", often, note="a rarer pair of lower rank"),
        Case("", plain, note="an empty word"),
    ]


# --- wordpiece ---------------------------------------------------------------------


def _wordpiece_tokenizer(word, vocab):
    names = dict.fromkeys(["[UNK]", *sorted(vocab)])
    tokenizer = WordPieceTokenizer(
        {token: i for i, token in enumerate(names)}, lowercase=False
    )
    return [tokenizer.id_to_token(i) for i in tokenizer.encode(word)]


def _wordpiece(word, vocab):
    pieces, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            if mark + word[start:end] in vocab:
                pieces.append(mark + word[start:end])
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def _wordpiece_shrinking(word, vocab):
    pieces, rest = [], word
    while rest:
        piece = rest
        while piece and (piece if not pieces else "##" + piece) not in vocab:
            piece = piece[:-1]
        if not piece:
            return ["[UNK]"]
        pieces.append("##" + piece if pieces else piece)
        rest = rest[len(piece) :]
    return pieces


def _pieces(word, vocab, mark="##", longest=True, first_mark="", unknown="whole"):
    """Cut a word, with the usual places for a slip left open."""
    pieces, start = [], 0
    while start < len(word):
        sign = mark if start else first_mark
        ends = (
            range(len(word), start, -1) if longest else range(start + 1, len(word) + 1)
        )
        end = next((e for e in ends if sign + word[start:e] in vocab), None)
        if end is None:
            if unknown == "rest":
                return [*pieces, "[UNK]"]
            if unknown == "letter":
                pieces.append("[UNK]")
                start += 1
                continue
            return ["[UNK]"]
        pieces.append(sign + word[start:end])
        start = end
    return pieces


def _no_prefix(word, vocab):
    return _pieces(word, vocab, mark="")


def _prefix_lost_in_output(word, vocab):
    return [p.removeprefix("##") for p in _wordpiece(word, vocab)]


def _shortest(word, vocab):
    return _pieces(word, vocab, longest=False)


def _unknown_rest(word, vocab):
    return _pieces(word, vocab, unknown="rest")


def _unknown_letters(word, vocab):
    return _pieces(word, vocab, unknown="letter")


def _prefix_everywhere(word, vocab):
    return _pieces(word, vocab, first_mark="##")


def _whole_or_unknown(word, vocab):
    return [word] if word in vocab else ["[UNK]"]


def _piece_cases():
    vocab = {"un", "u", "##aff", "##a", "##f", "##able", "a", "able", "aff", "##n", "s"}
    return [
        Case("unaffable", vocab),
        Case("able", vocab, note="a whole word"),
        Case("uns", vocab, note="a part that fits nowhere"),
        Case("xun", vocab, note="a first letter that fits nowhere"),
        Case("unafable", vocab),
        Case("sn", vocab),
    ]


# --- split_special -----------------------------------------------------------------


def _split_special(text, special_tokens):
    if not special_tokens:
        return [text] if text else []
    longest_first = sorted(special_tokens, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return [part for part in re.split(f"({pattern})", text) if part]


def _split_by_scanning(text, special_tokens):
    parts, plain, i = [], "", 0
    while i < len(text):
        found = [s for s in special_tokens if text.startswith(s, i)]
        if found:
            token = max(found, key=len)
            parts += [plain, token]
            plain, i = "", i + len(token)
        else:
            plain += text[i]
            i += 1
    return [part for part in [*parts, plain] if part]


def _split_by_finditer(text, special_tokens):
    order = sorted(special_tokens, key=lambda s: (-len(s), s))
    parts, end = [], 0
    if order:
        for match in re.finditer("|".join(map(re.escape, order)), text):
            parts += [text[end : match.start()], match[0]]
            end = match.end()
    return [part for part in [*parts, text[end:]] if part]


def _split_not_at_all(text, special_tokens):
    return [text] if text else []


def _split_at_spaces(text, special_tokens):
    return text.split()


def _split_drops_them(text, special_tokens):
    return [p for p in _split_special(text, special_tokens) if p not in special_tokens]


def _split_keeps_empty(text, special_tokens):
    if not special_tokens:
        return [text]
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


def _split_shortest(text, special_tokens):
    if not special_tokens:
        return [text] if text else []
    shortest = sorted(special_tokens, key=len)
    return [p for p in re.split(f"({'|'.join(map(re.escape, shortest))})", text) if p]


def _split_first_only(text, special_tokens):
    places = [(text.find(s), -len(s), s) for s in special_tokens if s in text]
    if not places:
        return [text] if text else []
    at, _, token = min(places)
    return [p for p in (text[:at], token, text[at + len(token) :]) if p]


def _split_unescaped(text, special_tokens):
    if not special_tokens:
        return [text] if text else []
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return [p for p in re.split(f"({'|'.join(longest_first)})", text) if p]


def _special_cases():
    end = ["<|end|>"]
    return [
        Case("one<|end|>two", end),
        Case("a<|end|><|end|>b<|end|>", end, note="several, side by side"),
        Case("[CLS] a [SEP]", ["[CLS]", "[SEP]"], note="names with brackets"),
        Case("x<s>y<s>long", ["<s>", "<s>long"], note="one that begins another"),
        Case("nothing special", end),
        Case("", end, note="an empty text"),
    ]


EXERCISES = [
    Exercise(
        name="count_pairs",
        signature="count_pairs(words)",
        reference=_count_pairs,
        cases=_pair_cases,
        right=(_count_pairs_counter, _count_pairs_flat),
        mistakes=(
            Mistake(
                "each word once",
                "A word that occurs five times brings its pairs five times. Add the "
                "word's number of occurrences, not 1.",
                _count_each_word_once,
            ),
            Mistake(
                "once in a word",
                "A pair can stand several times in one word: “a n” stands twice in "
                "“b a n a n a”. Do not collect the pairs in a set.",
                _count_pairs_once_in_a_word,
            ),
            Mistake(
                "across words",
                "The last token of one word and the first of the next are no pair: "
                "merges never reach across a word's edge. Go word by word.",
                _count_across_words,
            ),
            Mistake(
                "order ignored",
                "The pairs (a, b) and (b, a) are different, since joining them gives "
                "“ab” and “ba”. Keep the order.",
                _count_unordered,
            ),
            Mistake(
                "single tokens",
                "These are the counts of single tokens. Byte-pair encoding needs those "
                "of two neighbours.",
                _count_single_tokens,
            ),
            Mistake(
                "every second pair",
                "Each token but the last begins a pair. Move on by one token, not by "
                "two.",
                _count_every_second,
            ),
        ),
    ),
    Exercise(
        name="merge_pair",
        signature="merge_pair(tokens, pair)",
        reference=_merge_pair,
        cases=_merge_cases,
        right=(_merge_pair_stack, _merge_pair_recursive),
        mistakes=(
            Mistake(
                "overlap merged twice",
                "In “a a a” the middle token is used up by the first joining: the "
                "result is “aa a”. After a joining, move on by two tokens.",
                _merge_overlapping,
            ),
            Mistake(
                "right half kept",
                "The right half of a joined pair still stands behind it. It is part of "
                "the new token now, so skip it.",
                _merge_keeps_right,
            ),
            Mistake(
                "first only",
                "Only the first place was joined. Go on to the end: the pair can stand "
                "in several places.",
                _merge_first_only,
            ),
            Mistake(
                "last token lost",
                "A last token that belongs to no pair is missing. What does the loop "
                "do when only one token is left?",
                _merge_drops_last,
            ),
            Mistake(
                "joined again",
                "A token that was just joined was joined a second time. Compare the "
                "tokens as they were before, not the end of what was built.",
                _merge_again,
            ),
        ),
    ),
    Exercise(
        name="encode_word",
        signature="encode_word(word, merges)",
        reference=_encode_word,
        cases=_word_cases,
        right=(_encode_tokenizer, _encode_in_order),
        mistakes=(
            Mistake(
                "characters",
                "It starts from characters, but byte-level BPE starts from bytes: “é” "
                "is two of them. Use word.encode('utf-8').",
                (_encode_characters, _encode_latin),
            ),
            Mistake(
                "from the left",
                "It joins the first pair it meets from the left. The merge that was "
                "learned first goes first, wherever it stands.",
                _encode_from_the_left,
            ),
            Mistake(
                "longest match",
                "It takes the longest known token from the left. That is WordPiece; "
                "BPE replays its merges in the order of their rank.",
                _encode_longest,
            ),
            Mistake(
                "most frequent first",
                "It joins the pair that is most frequent in this word. Frequency "
                "counted in training; now only the rank counts.",
                _encode_frequent_first,
            ),
            Mistake(
                "last rank first",
                "It begins with the merge that was learned last. The lowest rank goes "
                "first, since later merges are built from earlier ones.",
                _encode_last_rank_first,
            ),
            Mistake(
                "one merge",
                "It stops after one merge. Go on until no pair is among the merges.",
                _encode_one_merge,
            ),
        ),
    ),
    Exercise(
        name="wordpiece",
        signature="wordpiece(word, vocab)",
        reference=_wordpiece,
        cases=_piece_cases,
        right=(_wordpiece_tokenizer, _wordpiece_shrinking),
        mistakes=(
            Mistake(
                "no ##",
                "Pieces inside a word must be looked up, and given back, with “##” in "
                "front: “able” and “##able” are two tokens.",
                (_no_prefix, _prefix_lost_in_output),
            ),
            Mistake(
                "shortest match",
                "It takes the shortest piece that fits. WordPiece takes the longest: "
                "try the whole rest first, and shorten it from the right.",
                _shortest,
            ),
            Mistake(
                "unknown rest",
                "When one part fits nowhere, the pieces before it stay in the result. "
                "The whole word becomes a single [UNK].",
                _unknown_rest,
            ),
            Mistake(
                "unknown letters",
                "When one letter fits nowhere, only this letter becomes [UNK]. It is "
                "the whole word that becomes one [UNK].",
                _unknown_letters,
            ),
            Mistake(
                "## everywhere",
                "The first piece of a word has no “##” in front.",
                _prefix_everywhere,
            ),
            Mistake(
                "whole words only",
                "A word that is not in the vocabulary may still be made of pieces that "
                "are.",
                _whole_or_unknown,
            ),
        ),
    ),
    Exercise(
        name="split_special",
        signature="split_special(text, special_tokens)",
        reference=_split_special,
        cases=_special_cases,
        right=(_split_by_scanning, _split_by_finditer),
        mistakes=(
            Mistake(
                "special tokens split",
                "The special tokens are still inside the text, where the tokenizer "
                "would cut them into pieces. Cut the text at each of them first.",
                _split_not_at_all,
            ),
            Mistake(
                "at spaces",
                "A special token need not have spaces around it. Look for its text.",
                _split_at_spaces,
            ),
            Mistake(
                "special tokens dropped",
                "The special tokens are gone. Each is a part of the result; with "
                "re.split, put the pattern in brackets to keep it.",
                _split_drops_them,
            ),
            Mistake(
                "empty parts",
                "There are empty parts where a special token stands at an edge or "
                "beside another. Leave them out.",
                _split_keeps_empty,
            ),
            Mistake(
                "shorter first",
                "Where two special tokens begin at one place, the longer one counts: "
                "try “<s>long” before “<s>”.",
                _split_shortest,
            ),
            Mistake(
                "first only",
                "Only the first special token was found. Go on behind it.",
                _split_first_only,
            ),
            Mistake(
                "not escaped",
                "In a pattern, “|” and “[” have a meaning of their own. Use re.escape "
                "on each special token.",
                _split_unescaped,
            ),
        ),
    ),
]
