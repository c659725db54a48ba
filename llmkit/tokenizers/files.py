"""Read and write Hugging Face's `tokenizer.json`.

The file holds a pipeline: normaliser, pre-tokenizer, model, post-processor, decoder. We
read the pipelines that our classes can follow to the letter, and refuse others with a
sentence that names the part. Home notebook: 01_tokenization.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from llmkit.tokenizers.base import ROLES, SpecialToken, Tokenizer
from llmkit.tokenizers.bpe import ByteBPETokenizer
from llmkit.tokenizers.characters import CharTokenizer
from llmkit.tokenizers.splitting import GPT2_PATTERN
from llmkit.tokenizers.wordpiece import WordPieceTokenizer


def read(path: str | Path) -> Tokenizer:
    """Read a tokenizer and choose the class for it.

    Truncation and padding settings are left aside: batches are made elsewhere.

    Args:
        path: a `tokenizer.json`, or a folder that holds one. The roles of the special
            tokens are taken from a `tokenizer_config.json` beside it, if there is one.

    Returns:
        A `ByteBPETokenizer`, `WordPieceTokenizer` or `CharTokenizer`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds a kind we do not have.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "tokenizer.json"
    if not path.is_file():
        raise FileNotFoundError(f"path must lead to a tokenizer.json; got {path}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        kind = data["model"].get("type") or _guess_kind(data["model"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a readable tokenizer.json: {error}") from error
    common = {"roles": _read_roles(path.parent), **_read_template(data)}
    specials = [_read_special(entry) for entry in data.get("added_tokens") or ()]
    if kind == "WordPiece":
        return _read_wordpiece(data, specials, common)
    if kind == "BPE":
        if not data["model"].get("merges") and not data.get("pre_tokenizer"):
            if data["model"].get("unk_token"):
                common["roles"]["unk"] = data["model"]["unk_token"]
            return CharTokenizer(data["model"]["vocab"], specials, **common)
        return _read_bpe(data, specials, common)
    raise _refusal(f"a model of type {kind!r}")


def _read_bpe(data: dict, specials, common: dict) -> ByteBPETokenizer:
    model = data["model"]
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise _refusal(f"BPE with {name}={model[name]!r}")
    if model.get("byte_fallback"):
        raise _refusal("BPE on characters with byte_fallback (Llama 2, Gemma)")
    normalizer = data.get("normalizer")
    if normalizer is not None:
        raise _refusal(f"BPE behind the normalizer {normalizer.get('type')!r}")
    pattern, byte_level = _read_pattern(data.get("pre_tokenizer"))
    merges = [
        tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m)
        for m in model["merges"]
    ]
    return ByteBPETokenizer(
        model["vocab"],
        merges,
        specials,
        pattern=pattern,
        add_prefix_space=byte_level.get("add_prefix_space", True),
        trim_offsets=any(
            part.get("trim_offsets", True)
            for part in _parts(data.get("post_processor"), "processors")
            if part["type"] in ("ByteLevel", "RobertaProcessing")
        ),
        ignore_merges=bool(model.get("ignore_merges")),
        **common,
    )


def _read_pattern(pre_tokenizer) -> tuple[str, dict]:
    """Return the pattern that finds words, and the settings of the byte level."""
    parts = _parts(pre_tokenizer, "pretokenizers")
    kinds = [part["type"] for part in parts]
    if kinds == ["ByteLevel"]:
        if not parts[0].get("use_regex", True):
            return r"[\s\S]+", parts[0]
        return GPT2_PATTERN, parts[0]
    if kinds == ["Split", "ByteLevel"] and not parts[1].get("use_regex", True):
        split, level = parts
        form = split["pattern"].get("Regex")
        plain = split.get("behavior") == "Isolated" and not split.get("invert")
        if form is not None and plain and not level.get("add_prefix_space", True):
            return form, level
    raise _refusal(f"BPE behind the pre-tokenizers {kinds or None}")


def _read_wordpiece(data: dict, specials, common: dict) -> WordPieceTokenizer:
    model = data["model"]
    normalizer = data.get("normalizer") or {}
    pre = data.get("pre_tokenizer") or {}
    if normalizer.get("type") != "BertNormalizer":
        raise _refusal(f"WordPiece behind the normalizer {normalizer.get('type')!r}")
    if pre.get("type") != "BertPreTokenizer":
        raise _refusal(f"WordPiece behind the pre-tokenizer {pre.get('type')!r}")
    options = {
        name: normalizer[name]
        for name in ("lowercase", "strip_accents", "clean_text", "handle_chinese_chars")
        if name in normalizer
    }
    common.setdefault("template", ())
    return WordPieceTokenizer(
        model["vocab"],
        specials,
        **options,
        unk_token=model.get("unk_token", "[UNK]"),
        prefix=model.get("continuing_subword_prefix", "##"),
        max_chars_per_word=model.get("max_input_chars_per_word", 100),
        cleanup=(data.get("decoder") or {}).get("cleanup", True),
        **common,
    )


def _read_special(entry: dict) -> SpecialToken:
    keys = ("special", "lstrip", "rstrip", "single_word")
    options = {key: bool(entry.get(key)) for key in keys}
    return SpecialToken(text=entry["content"], id=entry["id"], **options)


def _read_template(data: dict) -> dict:
    """Return what the post-processor puts around a text and around a pair."""
    found = {}
    for part in _parts(data.get("post_processor"), "processors"):
        kind = part["type"]
        if kind == "TemplateProcessing":
            for name, key in (("single", "template"), ("pair", "pair_template")):
                found[key] = tuple(map(_template_part, part[name]))
        elif kind == "BertProcessing":
            cls, sep = part["cls"][0], part["sep"][0]
            found["template"] = (cls, "$A", sep)
            found["pair_template"] = (cls, "$A", sep, "$B", (sep, 1))
        elif kind == "RobertaProcessing":
            cls, sep = part["cls"][0], part["sep"][0]
            found["template"] = (cls, "$A", sep)
            found["pair_template"] = (cls, "$A", sep, sep, ("$B", 0), sep)
        elif kind != "ByteLevel":
            raise _refusal(f"the post-processor {kind!r}")
    return found


def _template_part(part: dict) -> tuple[str, int]:
    kind, value = next(iter(part.items()))
    name = value["id"] if kind == "SpecialToken" else "$" + value["id"]
    return name, value["type_id"]


def _read_roles(folder: Path) -> dict[str, str]:
    """Take the special tokens' roles from a `tokenizer_config.json`."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    config = json.loads(path.read_text(encoding="utf-8"))
    roles = {}
    for role in ROLES:
        token = config.get(f"{role}_token")
        token = token.get("content") if isinstance(token, dict) else token
        if token:
            roles[role] = token
    return roles


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
    added = {s.text for s in tokenizer.special_tokens}
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
        after = level if tokenizer.trim_offsets else None
        if template and after:
            after = {"type": "Sequence", "processors": [after, template]}
        return {
            "normalizer": None,
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
            vocab={
                t: i
                for t, i in tokenizer.vocab.items()
                if t not in added or len(t) == 1 or t == tokenizer.roles.get("unk")
            },
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
    """Write beside the target and rename, so that no reader sees half a file."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _parts(section, key: str) -> list[dict]:
    """Return the steps of a pipeline's section, whether it holds none, one or many."""
    if section is None:
        return []
    if section["type"] != "Sequence":
        return [section]
    return [step for part in section[key] for step in _parts(part, key)]


def _guess_kind(model: dict) -> str | None:
    """Old files do not name the model's type."""
    if "merges" in model:
        return "BPE"
    return "WordPiece" if "continuing_subword_prefix" in model else None


def _refusal(what: str) -> ValueError:
    return ValueError(
        f"this tokenizer.json holds {what}, which llmkit does not have. It reads "
        "byte-level BPE (GPT-2, RoBERTa, Llama 3), BERT's WordPiece and characters; "
        "for others use transformers.AutoTokenizer"
    )
