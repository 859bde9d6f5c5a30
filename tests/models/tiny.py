"""Tiny language models in the forms in which real ones come: a folder of transformers, a GGUF file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = "the keys to the old cabinet are on the table and nobody knows who left them there"
VOCABULARY = 300


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE with a token that begins a text, and one that ends it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def llama(seed: int = 0) -> LlamaForCausalLM:
    """Two layers, four heads of which two share keys and values, tied embeddings, norms that are not all ones."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,
    )
    return _with_uneven_norms(LlamaForCausalLM(config))


def gpt2(seed: int = 0) -> GPT2LMHeadModel:
    """Two layers, two heads, LayerNorm."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=1
    )
    return _with_uneven_norms(GPT2LMHeadModel(config))


def _with_uneven_norms(model):
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" in name or "ln_" in name:
                value.add_(0.5 * torch.rand_like(value))
            elif name.endswith("bias"):
                value.add_(0.1 * torch.randn_like(value))
    return model.eval()


def save(model, folder: Path) -> Path:
    """As `save_pretrained` writes a model and its tokenizer."""
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def write_gguf(path: Path, model: LlamaForCausalLM) -> None:
    """The same in a GGUF file, matrices in 8 bits."""
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    tokenizer = byte_tokenizer()
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    text = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([3 if token in ("<s>", "</s>") else 1 for token, _ in vocabulary])
    writer.add_token_merges(_merges(text))
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue  # tied
        array = value.float().numpy()
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:  # GGUF interleaves the halves that rotate together
                array = array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        stored = names.get_name(name, try_suffixes=(".weight",))
        array = np.ascontiguousarray(array)
        if array.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(stored, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(stored, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _merges(tokenizer: Tokenizer) -> list[str]:
    import json

    return [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
