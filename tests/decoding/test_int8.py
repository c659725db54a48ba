"""8-bit weights: rounded rightly, multiplied rightly, and what they cost."""

import pytest
import torch

from llmkit.decoding import dequantize_rows, generate, n_bytes, quantize_rows, to_int8
from llmkit.decoding.int8 import Int8Linear
from llmkit.hub import load_decoder
from llmkit.models import GPT, GPTConfig, Llama, LlamaConfig

OUT, IN = 7, 64


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.logspace(-3, 3, OUT)[:, None]  # rows of very different size
    return torch.randn(OUT, IN, generator=generator) * sizes


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_rounding_equals_pytorchs_per_channel_quantization():
    weight = weights()
    quantized, scale = quantize_rows(weight)
    judge = torch.quantize_per_channel(
        weight,
        scale[:, 0].double(),
        torch.zeros(OUT, dtype=torch.int64),
        0,
        torch.qint8,
    )
    assert torch.equal(quantized, judge.int_repr())
    torch.testing.assert_close(dequantize_rows(quantized, scale), judge.dequantize())
    assert quantized.abs().amax(1).tolist() == [127] * OUT
    error = (dequantize_rows(quantized, scale) - weight).abs()
    assert bool((error <= scale * 0.5001).all())


def test_a_row_of_zeros_stays_zero():
    quantized, scale = quantize_rows(torch.zeros(2, 3))
    assert not dequantize_rows(quantized, scale).any()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1, 1), (2, 3)])
def test_products_are_those_of_the_rounded_weights(bias, rows):
    weight = weights()
    bias = torch.arange(OUT, dtype=torch.float32) if bias else None
    x = torch.randn(*rows, IN, generator=torch.Generator().manual_seed(1))
    layer = Int8Linear(weight, bias)
    judge = torch.nn.functional.linear(x, dequantize_rows(*quantize_rows(weight)), bias)
    # the kernel rounds the inputs to 8 bits too (7 on older processors)
    step = (x.max().clamp(min=0) - x.min().clamp(max=0)) / 127
    bound = step * weight.abs().sum(1) + 1e-5
    assert layer(x).shape == (*rows, OUT)
    assert bool(((layer(x) - judge).abs() <= bound).all())
    layer.__dict__["parts"] = (None, False)  # a machine without such a kernel
    torch.testing.assert_close(layer(x), judge)


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_a_whole_model_gets_smaller_and_stays_close(kind):
    torch.manual_seed(0)
    sizes = {"vocab_size": 131, "d_model": 64, "n_heads": 4, "n_layers": 2}
    model = {
        "gpt": lambda: GPT(GPTConfig(**sizes)),
        "llama": lambda: Llama(LlamaConfig(**sizes)),
    }[kind]().eval()
    small = to_int8(model)
    # positions and the table of an untied model keep their 32 bits
    assert n_bytes(small) < n_bytes(model) * 0.55
    ids = torch.randint(131, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        gap = (small(ids).logits - model(ids).logits).std()
        assert gap < 0.1 * model(ids).logits.std()
    assert generate(small, ids, 5).shape == (2, 14)


def test_the_shipped_model_loses_little():
    model, tokenizer = load_decoder("pydocs")
    text = (
        "The argument must be a string. If it is omitted, the value None is returned."
    )
    ids = torch.tensor([tokenizer.encode(text)])
    with torch.no_grad():
        exact, rounded = (
            torch.nn.functional.cross_entropy(m(ids).logits[0, :-1], ids[0, 1:])
            for m in (model, to_int8(model))
        )
    assert abs(float(rounded - exact)) < 0.05
