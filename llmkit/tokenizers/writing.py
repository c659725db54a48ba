"""Write Hugging Face's `tokenizer.json`.

The other direction of `reading`; Hugging Face's own library loads the result and gives
the same ids. Home notebook: 01_tokenization.
"""

from __future__ import annotations

import json
from pathlib import Path

from llmkit.runtime import write_atomically
from llmkit.tokenizers.base import Tokenizer
from llmkit.tokenizers.bpe import ByteBPETokenizer
from llmkit.tokenizers.splitting import GPT2_PATTERN
from llmkit.tokenizers.wordpiece import WordPieceTokenizer


def write(tokenizer: Tokenizer, path: str | Path) -> Path:
    """Write a tokenizer as `tokenizer.json`; see `Tokenizer.save`."""
    path = Path(path)
    folder = None
    if path.suffix != ".json":
        folder, path = path, path / "tokenizer.json"
        folder.mkdir(parents=True, exist_ok=True)
    data = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": s.id,
                "content": s.text,
                "single_word": s.single_word,
                "lstrip": s.lstrip,
                "rstrip": s.rstrip,
                "normalized": False,
                "special": s.special,
            }
            for s in sorted(tokenizer.special_tokens, key=lambda s: s.id)
        ],
        **_pipeline(tokenizer),
    }
    _write_json(path, data)
    if folder is not None:
        roles = {f"{role}_token": token for role, token in tokenizer.roles.items()}
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **roles}
        _write_json(folder / "tokenizer_config.json", config)
    return path


def _pipeline(tokenizer: Tokenizer) -> dict:
    template = _write_template(tokenizer)
    if isinstance(tokenizer, ByteBPETokenizer):
        level = {
            "type": "ByteLevel",
            "add_prefix_space": tokenizer.add_prefix_space,
            "trim_offsets": tokenizer.trim_offsets,
            "use_regex": tokenizer.pattern == GPT2_PATTERN,
        }
        if tokenizer.pattern == GPT2_PATTERN:
            before = level
        else:
            split = {
                "type": "Split",
                "pattern": {"Regex": tokenizer.pattern},
                "behavior": "Isolated",
                "invert": False,
            }
            before = {"type": "Sequence", "pretokenizers": [split, level]}
        first = tokenizer.keep_first_space
        after = {**level, "add_prefix_space": first} if tokenizer.trim_offsets else None
        if template and after:
            after = {"type": "Sequence", "processors": [after, template]}
        return {
            "normalizer": {"type": "NFC"} if tokenizer.compose else None,
            "pre_tokenizer": before,
            "post_processor": after or template,
            "decoder": {**level, "use_regex": True},
            "model": _model(
                "BPE",
                vocab=tokenizer.vocab,
                merges=[list(m) for m in tokenizer.merges],
                ignore_merges=tokenizer.ignore_merges,
            ),
        }
    if isinstance(tokenizer, WordPieceTokenizer):
        return {
            "normalizer": {"type": "BertNormalizer", **tokenizer.options},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": template,
            "decoder": {
                "type": "WordPiece",
                "prefix": tokenizer.prefix,
                "cleanup": tokenizer.cleanup,
            },
            "model": {
                "type": "WordPiece",
                "unk_token": tokenizer.unk_token,
                "continuing_subword_prefix": tokenizer.prefix,
                "max_input_chars_per_word": tokenizer.max_chars_per_word,
                "vocab": tokenizer.vocab,
            },
        }
    return {
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": template,
        "decoder": {"type": "Fuse"},
        # characters are what BPE starts from, so BPE without merges is what we need
        "model": _model(
            "BPE",
            vocab=tokenizer.vocab,
            merges=[],
            unk_token=tokenizer.roles.get("unk"),
        ),
    }


def _model(kind: str, **settings) -> dict:
    return {
        "type": kind,
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **settings,
    }


def _write_template(tokenizer: Tokenizer) -> dict | None:
    if not tokenizer.template:
        return None
    pair = tokenizer.pair_template or (*tokenizer.template, ("$B", 1))

    def parts(template):
        return [
            {"Sequence": {"id": name[1:], "type_id": type_id}}
            if name in ("$A", "$B")
            else {"SpecialToken": {"id": name, "type_id": type_id}}
            for name, type_id in template
        ]

    names = {n for n, _ in (*tokenizer.template, *pair) if n not in ("$A", "$B")}
    return {
        "type": "TemplateProcessing",
        "single": parts(tokenizer.template),
        "pair": parts(pair),
        "special_tokens": {
            n: {"id": n, "ids": [tokenizer.vocab[n]], "tokens": [n]}
            for n in sorted(names)
        },
    }


def _write_json(path: Path, data: dict) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=1)
    write_atomically(path, lambda draft: draft.write_text(text, encoding="utf-8"))
