"""Read Hugging Face's `tokenizer.json`.

The file holds a pipeline: normaliser, pre-tokenizer, model, post-processor, decoder. We
read the pipelines that our classes can follow to the letter, and refuse others with a
sentence that names the part. Home notebook: 01_tokenization.
"""

from __future__ import annotations

import json
from pathlib import Path

from llmkit.tokenizers.base import Tokenizer
from llmkit.tokenizers.bpe import ByteBPETokenizer
from llmkit.tokenizers.characters import CharTokenizer
from llmkit.tokenizers.special import ROLES, SpecialToken
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
    text = path.read_text(encoding="utf-8")
    return parse(text, str(path), _read_roles(path.parent))


def parse(text: str, name: str = "text", roles: dict | None = None) -> Tokenizer:
    """Make a tokenizer from the text of a `tokenizer.json`.

    `parse(theirs.backend_tokenizer.to_str())` turns a fast tokenizer of `transformers`
    into one of the kit's, with the same ids.

    Args:
        text: the JSON.
        name: what to call it in an error.
        roles: which token plays which role, such as `{"pad": "<pad>"}`.

    Returns:
        A `ByteBPETokenizer`, `WordPieceTokenizer` or `CharTokenizer`.

    Raises:
        ValueError: the text is damaged, or holds a kind we do not have.
    """
    try:
        return _build(json.loads(text), dict(roles or {}))
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{name} is not a readable tokenizer.json; {said}") from error


def _build(data: dict, roles: dict) -> Tokenizer:
    model = data["model"]
    kind = model.get("type") or _guess_kind(model)
    common = {"roles": roles, **_read_template(data)}
    specials = [_read_special(entry) for entry in data.get("added_tokens") or ()]
    if kind == "WordPiece":
        return _read_wordpiece(data, specials, common)
    if kind == "BPE":
        if not model.get("merges") and not data.get("pre_tokenizer"):
            if model.get("unk_token"):
                roles["unk"] = model["unk_token"]
            return CharTokenizer(model["vocab"], specials, **common)
        return _read_bpe(data, specials, common)
    raise _refusal(f"a model of type {kind!r}")


def _read_bpe(data: dict, specials, common: dict) -> ByteBPETokenizer:
    model = data["model"]
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise _refusal(f"BPE with {name}={model[name]!r}")
    if model.get("byte_fallback"):
        raise _refusal("BPE on characters with byte_fallback (Llama 2, Gemma)")
    normalizers = [p["type"] for p in _parts(data.get("normalizer"), "normalizers")]
    if normalizers not in ([], ["NFC"]):
        raise _refusal(f"BPE behind the normalizers {normalizers}")
    pattern, byte_level = _read_pattern(data.get("pre_tokenizer"))
    merges = [
        tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m)
        for m in model["merges"]
    ]
    steps = _parts(data.get("post_processor"), "processors")
    levels = ("ByteLevel", "RobertaProcessing")
    after = next((step for step in steps if step["type"] in levels), None)
    return ByteBPETokenizer(
        model["vocab"],
        merges,
        specials,
        pattern=pattern,
        add_prefix_space=byte_level.get("add_prefix_space", True),
        trim_offsets=after.get("trim_offsets", True) if after else False,
        keep_first_space=after.get("add_prefix_space", True) if after else None,
        compose=normalizers == ["NFC"],
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
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold a JSON object; got {type(config).__name__}")
    roles = {}
    for role in ROLES:
        token = config.get(f"{role}_token")
        token = token.get("content") if isinstance(token, dict) else token
        if token:
            roles[role] = token
    return roles


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
