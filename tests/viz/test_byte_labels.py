"""Byte-level tokens become text again; judged by Hugging Face's own pre-tokenizer."""

from tokenizers.pre_tokenizers import ByteLevel

from llmkit.viz.byte_labels import readable


def test_byte_level_tokens_become_readable():
    text = "A café’s naïve fox\n 日本語🙂 ﷽\u202e!"
    pieces = [p for p, _ in ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]
    assert any("Ġ" in piece for piece in pieces)
    joined = "".join(readable(pieces))
    shown = text.replace(" ", "·").replace("\n", "⏎").replace("\u202e", "<U+202E>")
    assert joined == shown
    assert readable(["Ġ", "Ã", "©"]) == ["·", "<C3>", "<A9>"]
    assert readable(["▁fox", "cafÃ©", "Ωmega"]) == ["·fox", "cafÃ©", "Ωmega"]
