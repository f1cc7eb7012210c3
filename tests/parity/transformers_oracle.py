"""Answers one request of transformers_test.ts: `python transformers_oracle.py < request.json > answer.json`.

request: {"windows": [[id, …], …], "text": str, "load": {name: folder}, "save": {name: {"folder", "config"}}}
answer:  {name: {"logits": flat list of (B, T, V), "missing", "unexpected", "ids", "decoded", "vocabulary"}}

`load` opens folders that Starling wrote. `save` makes models of given configurations with random weights and writes
them for Starling to read.
"""

import json
import sys

import torch
import transformers


def logits_of(model, windows):
    with torch.no_grad():
        return model.float().eval()(input_ids=torch.tensor(windows)).logits.flatten().tolist()


def load(folder, request):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(request["text"])
    return {
        "logits": logits_of(model, request["windows"]),
        "missing": sorted(info["missing_keys"]),
        "unexpected": sorted(info["unexpected_keys"]),
        "ids": ids,
        "decoded": tokenizer.decode(ids),
        "vocabulary": len(tokenizer),
    }


def save(folder, config, request):
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder)
    return {"logits": logits_of(model, request["windows"])}


def main():
    request = json.load(sys.stdin)
    torch.set_num_threads(1)
    answer = {name: load(folder, request) for name, folder in request["load"].items()}
    answer |= {name: save(request=request, **job) for name, job in request["save"].items()}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
