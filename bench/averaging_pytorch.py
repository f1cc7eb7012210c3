"""What averaging the parameters of peers costs, in PyTorch: a control of `one_machine.ts` that shares no code with it.

The first argument is the setting as JSON, the text comes on the standard input; one JSON line a way comes out. M equal
peers are one batch of models. Each makes H steps of AdamW on windows of its own, with moments that stay, and then all
go on from the outer step that their mean takes.
"""

import json
import math
import sys

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
setting = json.loads(sys.argv[1])
T, V, C, HEADS, HIDDEN = (
    setting[key] for key in ("contextLength", "vocabularySize", "width", "headCount", "hiddenWidth")
)
LAYERS, TOKENS = range(setting["layerCount"]), setting["tokens"]
BETA1, BETA2, EPSILON, DECAY, CLIP, FINAL_SHARE = 0.9, 0.99, 1e-8, 0.1, 1.0, 0.1

text = torch.frombuffer(bytearray(sys.stdin.buffer.read()), dtype=torch.uint8).long()
count = (len(text) - 1) // T
inputs, targets = text[: count * T].view(count, T), text[1 : count * T + 1].view(count, T)
isHeldOut = torch.arange(count) % 128 >= 124
trained, heldOut = torch.arange(count)[~isHeldOut], torch.arange(count)[isHeldOut]


def initial(seed):
    """Weights of one model by name; matrices are (in, out)."""
    chance = torch.Generator().manual_seed(seed)
    normal = lambda *shape, scale=0.02: torch.randn(*shape, generator=chance) * scale
    residual = 0.02 / math.sqrt(2 * len(LAYERS))
    weights = {"tokens": normal(V, C), "positions": normal(T, C), "norm": torch.ones(C), "norm bias": torch.zeros(C)}
    for layer in LAYERS:
        for part, rows, columns, scale in (
            ("qkv", C, 3 * C, 0.02), ("out", C, C, residual), ("up", C, HIDDEN, 0.02), ("down", HIDDEN, C, residual)
        ):
            weights[f"{layer} {part}"] = normal(rows, columns, scale=scale)
            weights[f"{layer} {part} bias"] = torch.zeros(columns)
        for part in ("norm 1", "norm 2"):
            weights[f"{layer} {part}"], weights[f"{layer} {part} bias"] = torch.ones(C), torch.zeros(C)
    return weights


def losses(w, x, y):
    """Mean loss of each of M models, whose weights are (M, …), on its own windows (M, B, T)."""
    M, B, _ = x.shape

    def norm(h, name):
        return F.layer_norm(h, (C,)) * w[name][:, None, None] + w[f"{name} bias"][:, None, None]

    def linear(h, name):
        flat = torch.bmm(h.reshape(M, B * T, -1), w[name]) + w[f"{name} bias"][:, None]
        return flat.view(M, B, T, -1)

    own = (torch.arange(M) * V)[:, None, None]
    h = F.embedding(x + own, w["tokens"].reshape(M * V, C)) + w["positions"][:, None]
    for layer in LAYERS:
        qkv = linear(norm(h, f"{layer} norm 1"), f"{layer} qkv").view(M, B, T, 3, HEADS, C // HEADS)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(2, 3).reshape(M, B, T, C)
        h = h + linear(attended, f"{layer} out")
        up = linear(norm(h, f"{layer} norm 2"), f"{layer} up")
        h = h + linear(F.gelu(up, approximate="tanh"), f"{layer} down")
    logits = torch.bmm(norm(h, "norm").reshape(M, B * T, C), w["tokens"].transpose(1, 2))
    each = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
    return each.view(M, -1).mean(1)


def rate_share(tokens):
    warm = TOKENS / 20
    if tokens < warm:
        return tokens / warm
    cosine = (1 + math.cos(math.pi * min(1, (tokens - warm) / (TOKENS - warm)))) / 2
    return FINAL_SHARE + (1 - FINAL_SHARE) * cosine


def train(peers, batch, steps, rate, seed, outerRate=1, momentum=0, meanMoments=False):
    """Held-out loss after all tokens. `meanMoments`: second moments are of the mean gradient of all peers, as one
    machine has them, which real peers would have to send each other at every step."""
    order = trained[torch.randperm(len(trained), generator=torch.Generator().manual_seed(seed))]
    anchor = initial(seed)
    w = {name: p[None].repeat(peers, *[1] * p.dim()).requires_grad_() for name, p in anchor.items()}
    first, second = ({name: torch.zeros_like(p) for name, p in w.items()} for _ in range(2))
    velocity = {name: torch.zeros_like(p) for name, p in anchor.items()}
    tokens = step = at = 0
    while tokens < TOKENS:
        for _ in range(steps):
            step += 1
            tokens += batch * T
            windows = order[(at + torch.arange(batch)) % len(order)].view(peers, batch // peers)
            at += batch
            gradients = torch.autograd.grad(losses(w, inputs[windows], targets[windows]).sum(), list(w.values()))
            norms = sum(g.flatten(1).pow(2).sum(1) for g in gradients).sqrt()
            factor, now = (CLIP / norms).clamp(max=1), rate * rate_share(tokens)
            with torch.no_grad():
                for (name, p), g in zip(w.items(), gradients):
                    g = g * factor.view(-1, *[1] * (g.dim() - 1))
                    first[name].mul_(BETA1).add_(g, alpha=1 - BETA1)
                    seen = g.mean(0, keepdim=True) if meanMoments else g
                    second[name].mul_(BETA2).add_(seen * seen, alpha=1 - BETA2)
                    size = (second[name] / (1 - BETA2**step)).sqrt() + EPSILON
                    if p.dim() > 2:
                        p.mul_(1 - now * DECAY)
                    p.sub_(now * first[name] / (1 - BETA1**step) / size)
            if tokens >= TOKENS:
                break
        with torch.no_grad():
            for name, p in anchor.items():
                change = p - w[name].mean(0)
                velocity[name] = momentum * velocity[name] + change
                p.sub_(outerRate * (change + momentum * velocity[name]))
                w[name].copy_(p.expand_as(w[name]))
    with torch.no_grad():
        one = {name: p[None] for name, p in anchor.items()}
        return losses(one, inputs[heldOut][None], targets[heldOut][None]).item()


for way in setting["ways"]:
    found = [train(batch=setting["batch"], seed=seed, **way["settings"]) for seed in setting["seeds"]]
    print(json.dumps({"name": way["name"], "torch": torch.__version__, "losses": found}), flush=True)
