"""The rival PyTorch: matrix products and training steps, on the processor or on CUDA.

`pytorch.py <cpu|cuda> <threads>`. It answers lines of JSON as `rival.ts` asks them. Everything is what a PyTorch user
would take first: fused attention, fused AdamW, f32, no autocast and no compiling; TF32 is off, since it is not f32.
"""

import json
import platform
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


class Step:
    """A training step on windows of random tokens."""

    def __init__(self, work, device):
        model, settings, batch = work["model"], work["settings"], work["batch"]
        torch.manual_seed(1)
        self.model = Gpt2(model).to(device)
        self.clip = settings["clip"]
        matrices = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": settings["decay"]}, {"params": others, "weight_decay": 0}],
            lr=settings["rate"], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"], fused=True,
        )
        shape = (batch, model["contextLength"] + 1)
        self.windows = torch.randint(model["vocabularySize"], shape, device=device)

    def once(self):
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.model(self.windows[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), self.windows[:, 1:].flatten()).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()


class Products:
    """A list of matrix products; operands are the values that all contestants have."""

    def __init__(self, work, device):
        self.operands = []
        for m, n, k, transposes_a, transposes_b in work["products"]:
            a = ramp(m * k, device).view(*((k, m) if transposes_a else (m, k)))
            b = ramp(k * n, device).view(*((n, k) if transposes_b else (k, n)))
            self.operands.append((a.T if transposes_a else a, b.T if transposes_b else b))
        self.result = None

    def once(self):
        for a, b in self.operands:
            self.result = a @ b


def ramp(length, device):
    return (((torch.arange(length) * 7) % 13 - 6) / 13).to(torch.float32).to(device)


def turn(ready, count, device):
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(count):
        ready.once()
    if device == "cuda":
        torch.cuda.synchronize()
    answer = {"ms": 1000 * (time.perf_counter() - started)}
    if isinstance(ready, Products):
        answer["value"] = ready.result.flatten()[-1].item()
    elif device == "cuda":
        answer["facts"] = {"memoryMiB": torch.cuda.max_memory_allocated() / 2**20}
    return answer


def main():
    device, threads = sys.argv[1], int(sys.argv[2])
    about = {"device": f"PyTorch {device}", "versions": f"torch {torch.__version__}, Python {platform.python_version()}"}
    if device == "cuda":
        if not torch.cuda.is_available():
            raise SystemExit("this PyTorch finds no CUDA device")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        about["driver"] = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    else:
        torch.set_num_threads(threads)
        about["threads"] = threads
    print(json.dumps(about), flush=True)
    work, ready = None, None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            count = request.pop("count")
            if request != work:
                work, ready = None, None
                ready = (Step if request["kind"] == "step" else Products)(request, device)
                work = request
            answer = turn(ready, count, device)
        except Exception as error:  # the benchmark says it in a line and goes on
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
