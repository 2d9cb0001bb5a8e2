#!/usr/bin/env bash
# PEFT: LoRA on lm_head where input and output embeddings are one tensor (most small models).
#
# Guess: merging changes outputs, as the change to the head reaches the embeddings as well; PEFT
# warns of that and names ensure_weight_tying=True. So that setting makes the merge exact.
# Seen: before the merge adapter, reload and adapter-off are exact. The merged model is far off
# without the setting, and further off with it: it puts the one pair of matrices on both layers,
# and the merge then adds its product to the one shared tensor twice. Halving what the second merge
# added gives the unmerged model back. What does merge exactly: modules_to_save with
# ensure_weight_tying=True, or trainable_token_indices.
set -euo pipefail
pins=(
    torch==2.13.0 transformers==5.23.0 peft==0.21.2 tokenizers==0.23.3
)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [[ -n ${FINDINGS_PYTHON:-} ]]; then
    python=$(command -v "$FINDINGS_PYTHON")
    python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
else
    python3 -m venv "$folder/venv"
    python=$folder/venv/bin/python
    "$python" -m pip install -q "${pins[@]}"
fi
cd "$folder"
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1
cat >finding.py <<'EOF'
import sys
import warnings
from importlib.metadata import version

for pin in sys.argv[1:]:
    name, wanted = pin.split("==")
    found = version(name).split("+")[0]
    print(name, found)
    if found != wanted:
        print(f"{name} {wanted} is needed, not {found}")
        sys.exit(2)
warnings.simplefilter("ignore")
seen_as_before = []


def look(words, seen, holds):
    """Print what was seen; remember whether it is still what this script says."""
    print(f"{words}: {seen}{'' if holds else '   <- CHANGED'}")
    seen_as_before.append(bool(holds))


import string

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)
SIGNS = ["<pad>", "<eos>", *string.ascii_lowercase, *string.digits, *" +-=?.#\n"]


def tiny_tokenizer():
    """One token a sign."""
    vocabulary = {sign: number for number, sign in enumerate(SIGNS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=" "))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )


def tiny_model(tied=False, spread=0.2):
    """Two layers of random weights, the same ones every time."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(SIGNS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        tie_word_embeddings=tied, initializer_range=spread,
        pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )
    return Qwen2ForCausalLM(config)


from peft import LoraConfig, get_peft_model

texts = torch.randint(2, len(SIGNS), (3, 12), generator=torch.Generator().manual_seed(1))


def logits(model):
    with torch.no_grad():
        return model.eval()(texts).logits


def apart(one, other):
    return ((one - other).norm() / other.norm()).item()


def merged_error(**settings):
    start = tiny_model(tied=True).get_input_embeddings().weight.detach().clone()
    model = get_peft_model(tiny_model(tied=True), LoraConfig(r=4, lora_alpha=8, **settings))
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    learned = logits(model)
    merged = model.merge_and_unload()
    error = apart(logits(merged), learned)
    table = merged.get_input_embeddings().weight
    table.data = start + (table.data - start) / 2
    return error, apart(logits(merged), learned)


error, _ = merged_error(target_modules=["q_proj", "lm_head"])
look("lm_head in target_modules: merged logits off by", f"{error:.2f}", error > 0.05)
error, halved = merged_error(target_modules=["q_proj", "lm_head"], ensure_weight_tying=True)
look("with ensure_weight_tying=True", f"{error:.2f}", error > 0.05)
look("the same when the embeddings' change is halved by hand", f"{halved:.1e}", halved < 1e-4)
error, _ = merged_error(target_modules=["q_proj"], modules_to_save=["embed_tokens"],
                        ensure_weight_tying=True)
look("embed_tokens in modules_to_save, ensure_weight_tying=True", f"{error:.1e}", error < 1e-4)
error, _ = merged_error(target_modules=["q_proj"], trainable_token_indices=[3, 4, 5])
look("trainable_token_indices", f"{error:.1e}", error < 1e-4)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
