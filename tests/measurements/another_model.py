"""A small language model, other than the default one, on which a measurement of the suite passes its certificate.

It can't speak, but its MLPs hold what ``neurons/logit_effects`` asks for: for every class of tokens one neuron that
raises the logits of exactly these tokens.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ground_truth.neurons.real.classes import CLASSES
from ground_truth.neurons.real.tokens import passages

VOCABULARY = 1500
NEURONS = 8 * len(CLASSES)


def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of the words of the suite's public text."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|begin|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator([passage.text for passage in passages("public")], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=trained, bos_token="<|begin|>", eos_token="<|end|>", pad_token="<|end|>"
    )


@torch.no_grad()
def save(folder: Path) -> Path:
    """Write model and tokenizer as transformers does; the folder."""
    words = tokenizer()
    strings = [str(words.decode([token])) for token in range(len(words))]
    members = torch.stack([one.members(strings) for one in CLASSES]).float()  # [class token]
    width = 8 * -(-len(CLASSES) // 8)  # heads have an even width
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            hidden_size=width,
            intermediate_size=NEURONS,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    # one direction of the residual stream per class, which the unembedding reads, and one neuron that writes it
    model.lm_head.weight[:, : len(CLASSES)] = members.T
    down = model.model.layers[0].mlp.down_proj.weight  # [d_model neuron]
    down.normal_(std=0.01)
    down[:, :: NEURONS // len(CLASSES)] = torch.eye(width, len(CLASSES))
    model.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
