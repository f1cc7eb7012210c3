"""A training step of a GPT-2 in PyTorch on the processor: what `step.ts` compares itself with.

The first argument is the shape as JSON; one JSON line for each number of threads comes out. Everything is what a
PyTorch user would take first: fused attention, fused AdamW, f32, no autocast and no compiling.
"""

import json
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, hidden, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, dim=-1)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.projection(y.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape["width"]
        self.tokens = nn.Embedding(shape["vocabularySize"], width)
        self.positions = nn.Embedding(shape["contextLength"], width)
        self.blocks = nn.ModuleList(
            Block(width, shape["hiddenWidth"], shape["headCount"]) for _ in range(shape["layerCount"])
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.tokens.weight.T


def measure(shape, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Gpt2(shape)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": shape["decay"]}, {"params": others, "weight_decay": 0}],
        lr=shape["rate"], betas=(shape["beta1"], shape["beta2"]), eps=shape["epsilon"], fused=True,
    )
    T = shape["contextLength"]
    windows = torch.randint(shape["vocabularySize"], (shape["batch"], T + 1))

    def steps(count):
        started = time.perf_counter()
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), shape["clip"])
            optimizer.step()
        return (time.perf_counter() - started) / count

    steps(3)
    count = max(1, round(shape["roundMs"] / 1000 / steps(3)))
    times = sorted(steps(count) for _ in range(shape["rounds"]))
    tokens, median = shape["batch"] * T, times[len(times) // 2]
    return {
        "torch": torch.__version__,
        "threads": threads,
        "tokensPerSecond": tokens / median,
        "bestTokensPerSecond": tokens / times[0],
        "msPerStep": 1000 * median,
    }


shape = json.loads(sys.argv[1])
for threads in range(1, len(os.sched_getaffinity(0)) + 1):
    print(json.dumps(measure(shape, threads)), flush=True)
