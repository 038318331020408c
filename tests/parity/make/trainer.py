"""Tables for the trainer's unit tests, made with the real libraries: tests/runtime/train/data/trainer.json.

    trainer.py [--out FILE]

lora_init: what PEFT's get_peft_model draws after torch.manual_seed(seed): module order, shapes, SHA-256 of every A (B is zero). PEFT makes
A and B as nn.Linear, whose own initialisation draws from the generator, and then draws A once more; the table fixes that order.
schedules: learning rates of diffusers' get_scheduler, one per optimizer step. ema: diffusers' EMAModel on one tensor.
orders: torch.randperm of n numbers with a generator seeded with seed + epoch.
"""
import argparse, hashlib, json, os
import torch
from diffusers import UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from peft import LoraConfig, get_peft_model

HERE = os.path.dirname(os.path.abspath(__file__))


def unet(layers):
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(16, 32, 48), layers_per_block=layers,
        transformer_layers_per_block=[1, 2, 2], attention_head_dim=[2, 2, 2], cross_attention_dim=24, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=20 + 48, norm_num_groups=8)


def lora_init(seed, rank, targets, layers):
    model = unet(layers)
    torch.manual_seed(seed)
    adapted = get_peft_model(model, LoraConfig(r=rank, lora_alpha=32, lora_dropout=0.1, bias="none", target_modules=targets))
    rows, seen = [], {}
    for name, p in adapted.named_parameters():
        if not p.requires_grad:
            continue
        path, factor = name.removeprefix("base_model.model.").rsplit(".lora_", 1)
        if factor.startswith("A"):
            a = p.detach().contiguous()
            seen[path] = {"path": path, "in": a.shape[1], "first": a.flatten()[:2].tolist(), "sha256": hashlib.sha256(a.numpy().tobytes()).hexdigest()}
        else:
            assert float(p.abs().max()) == 0
            rows.append(dict(seen.pop(path), out=p.shape[0]))
    assert not seen
    return {"seed": seed, "rank": rank, "targets": targets, "modules": rows}


def schedule(name, base, warmup, total, steps, **extra):
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([p], lr=base)
    s = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total, **extra)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        s.step()
    return {"name": name, "base": base, "warmup": warmup, "total": total, "cycles": extra.get("num_cycles", 1), "power": extra.get("power", 1.0), "rates": rates}


def ema(decay, steps):
    torch.manual_seed(3)
    p = torch.nn.Parameter(torch.randn(20))
    model = EMAModel([p], decay=decay)
    rows = []
    for _ in range(steps):
        p.data.add_(torch.randn(20) * 0.1)
        model.step([p])
        rows.append({"parameter": p.detach().tolist(), "average": model.shadow_params[0].tolist()})
    torch.manual_seed(3)
    return {"decay": decay, "initial": torch.randn(20).tolist(), "steps": rows}


def order(n, seed, epoch):
    g = torch.Generator().manual_seed(seed + epoch)
    return {"n": n, "seed": seed, "epoch": epoch, "order": torch.randperm(n, generator=g).tolist()}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.join(HERE, "..", "..", "runtime", "train", "data", "trainer.json"))
    a = p.parse_args()
    out = {
        "made_with": {"torch": torch.__version__.split("+")[0]},
        "lora_init": [lora_init(0, 8, ["to_q", "to_v", "query", "value", "ff.net.0.proj"], 1),
                      lora_init(7, 4, ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "time_emb_proj", "linear_1", "linear_2"], 2)],
        "schedules": [schedule("constant", 5e-6, 0, 10, 12), schedule("constant_with_warmup", 5e-6, 3, 10, 12), schedule("linear", 1e-4, 3, 10, 12),
                      schedule("linear", 1e-4, 0, 7, 9), schedule("cosine", 1e-4, 3, 10, 12), schedule("cosine", 3e-4, 0, 9, 11),
                      schedule("cosine_with_restarts", 1e-4, 2, 12, 14, num_cycles=3), schedule("polynomial", 1e-4, 2, 10, 13, power=2.0),
                      schedule("polynomial", 5e-6, 0, 10, 11, power=1.0)],
        "ema": [ema(0.999, 12), ema(0.2, 6)],
        "orders": [order(5, 0, 0), order(5, 0, 1), order(100, 3, 2)],
    }
    with open(a.out, "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
