"""Writes the fixtures of tests/parity: what PyTorch and transformers compute for a tiny GPT-2 and a tiny Llama.

Run it with torch, transformers and safetensors installed: `python tests/golden/make_fixtures.py`. For each model it
writes a folder as `save_pretrained` does and beside it

  logits.safetensors     of the first batch, computed in f64, stored as f32
  gradients.safetensors  of the mean loss of the first batch, under the names of the weights, likewise
  expected.json          versions, windows of tokens, settings, and the loss before each of 10 AdamW steps in f32 and f64,
                         which take the batches in turn

Weights are far from their usual initial values (norms not 1, biases not 0), so that no gradient is trivially right.
"""

import json
import pathlib
import shutil

import safetensors
import safetensors.torch
import torch
import transformers

SEED = 20260101
VOCABULARY, CONTEXT, BATCH, BATCHES, STEPS = 61, 12, 3, 2, 10
ADAMW = {"lr": 3e-3, "betas": (0.9, 0.95), "eps": 1e-8}
WEIGHT_DECAY, CLIP = 0.1, 1.0
HERE = pathlib.Path(__file__).parent

MODELS = {
    "gpt2": transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=20, n_layer=2, n_head=4, n_inner=72,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None, eos_token_id=None,
    ),
    "llama": transformers.LlamaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=24, intermediate_size=44,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False,
        rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=None,
    ),
}


def make_model(config):
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            is_norm = "ln_" in name or "norm" in name
            weight.copy_(1 + 0.2 * noise if is_norm and name.endswith("weight") else 0.15 * noise)
    return model


def loss_of(model, windows):
    logits = model(input_ids=windows[:, :-1]).logits
    targets = windows[:, 1:]
    return logits, torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1))


def adamw_losses(model, batches):
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
        ],
        **ADAMW,
    )
    losses, norms = [], []
    for step in range(STEPS):
        _, loss = loss_of(model, batches[step % BATCHES])
        optimizer.zero_grad()
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
        for p in parameters:
            p.grad.mul_(min(1.0, CLIP / norm.item()))
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    assert norms[0] > CLIP, f"the clip must act: {norms}"
    return losses


def write(name, config):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model = make_model(config)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    generator = torch.Generator().manual_seed(SEED + 1)
    batches = torch.randint(0, VOCABULARY, (BATCHES, BATCH, CONTEXT + 1), generator=generator)

    exact = make_model(config).double()
    logits, loss = loss_of(exact, batches[0])
    loss.backward()
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    gradients = {n: p.grad.float().contiguous() for n, p in exact.named_parameters() if n not in tied}
    safetensors.torch.save_file({"logits": logits.detach().float().contiguous()}, folder / "logits.safetensors")
    safetensors.torch.save_file(gradients, folder / "gradients.safetensors")
    expected = {
        "versions": {p.__name__: p.__version__ for p in (torch, transformers, safetensors)},
        "seed": SEED,
        "contextLength": CONTEXT,
        "batch": BATCH,
        "loss": loss.item(),
        "adamw": {
            "learningRate": ADAMW["lr"], "beta1": ADAMW["betas"][0], "beta2": ADAMW["betas"][1],
            "epsilon": ADAMW["eps"], "weightDecay": WEIGHT_DECAY, "clip": CLIP,
        },
        "losses": adamw_losses(make_model(config), batches),
        "lossesF64": adamw_losses(make_model(config).double(), batches),
        "windows": batches.tolist(),
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    print(name, sum(p.numel() for p in exact.parameters()), "parameters, loss", loss.item())


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, config in MODELS.items():
        write(name, config)
