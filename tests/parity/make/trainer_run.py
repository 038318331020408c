"""A reference trainer in torch, written from the description of Algorithm 1, and its comparison with a run of hb-rt train.

    trainer_run.py --run DIR --steps N --grad-steps K [--checkpoint models/shapes/checkpoint] [--json FILE]

DIR is the output folder of a run with checkpointing_steps = 1 and dropout 0 on the shapes checkpoint with the BLIP-2 reward; its
config.resolved.toml gives every number. The same run is made here in float32 and in float64 from PEFT's initial adapter with the same record
order and noise. Printed per optimizer step: loss and gradient norm of all three, and how far the adapters of hb-rt and of torch's float32
run are from the float64 run (relative L2 of what training changed). Fails when hb-rt is further away than twice torch's float32.
"""
import argparse, json, os, sys, tomllib
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
sys.path.insert(0, os.path.join(ROOT, "models", "shapes", "recipe"))
from common import CLIP_MEAN, CLIP_STD  # noqa: E402
from sample import Rewards, ddim_step, grid, load  # noqa: E402
from train_blip2 import encode, itc_image, itc_text, itm_logits, vision  # noqa: E402


class Run:
    """One run in one precision; yields after every optimizer step."""

    def __init__(self, config, args, dtype):
        self.c, self.a, self.dtype = config, args, dtype
        self.enc, unet, self.ab = load(args.checkpoint)
        self.reward = Rewards(args.checkpoint)
        torch.manual_seed(config["adapter"]["init_seed"])
        ad = config["adapter"]
        self.unet = get_peft_model(unet, LoraConfig(r=ad["rank"], lora_alpha=ad["alpha"], lora_dropout=0.0, bias="none", target_modules=["to_q", "to_v", "ff.net.0.proj"]))
        for m in [self.unet, self.reward.m, self.enc.img, self.enc.vae, *self.enc.te]:
            m.to(dtype)
        self.ab = self.ab.to(dtype)
        self.records = [json.loads(line) for line in open(config["data"]["manifest"]) if line.strip()]
        self.folder = os.path.dirname(config["data"]["manifest"])

    def order(self, position):
        n, d = len(self.records), self.c["data"]
        if not d["shuffle"]:
            return position % n
        g = torch.Generator().manual_seed(d["shuffle_seed"] + position // n)
        return int(torch.randperm(n, generator=g)[position % n])

    @torch.no_grad()
    def condition(self, record):
        text = record.get("context_description") or record["prompt"]
        u8 = np.array(Image.open(os.path.join(self.folder, record["image"])).convert("RGB"))
        x = torch.from_numpy(u8).permute(2, 0, 1)[None].float() / 255
        side = self.enc.img.config.image_size
        x = F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False, antialias=False)
        pool = self.enc.img(pixel_values=((x - CLIP_MEAN) / CLIP_STD).to(self.dtype)).image_embeds
        return text, self.enc.text([text]), pool

    def noise(self, seed):
        return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed))

    def loss(self, record):
        text, ctx, pool = self.condition(record)
        seed = self.c["sampler"]["seed"]
        x = self.noise(record["seed"] if seed < 0 else seed).to(self.dtype)
        w, n = self.c["sampler"]["guidance_scale"], self.a.steps
        ids = torch.tensor([[128.0, 128, 0, 0, 128, 128]], dtype=self.dtype).repeat(2, 1)
        for k, t in enumerate(grid(n)):
            with torch.set_grad_enabled(k >= n - self.a.grad_steps):
                e = self.unet(torch.cat([x, x]), t, torch.cat([torch.zeros_like(ctx), ctx]),
                              added_cond_kwargs={"text_embeds": torch.cat([torch.zeros_like(pool), pool]), "time_ids": ids}).sample
                u, c = e.chunk(2)
                x = ddim_step(self.ab, x, u + w * (c - u), t, n)
        image = (self.enc.vae.decode(x / self.enc.vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)
        E = vision(self.reward.m, (F.adaptive_avg_pool2d(image, 64) - CLIP_MEAN.to(self.dtype)) / CLIP_STD.to(self.dtype))
        tokens, mask = encode(self.reward.tok, [text])
        itc = torch.einsum("bqd,bd->bq", itc_image(self.reward.m, E)[0], itc_text(self.reward.m, tokens, mask)).amax(1)
        return -self.c["rewards"]["blip2"] * (itc + itm_logits(self.reward.m, E, tokens, mask).softmax(-1)[:, 1]).mean()

    def __iter__(self):
        o, A = self.c["optimizer"], self.c["train"]["gradient_accumulation_steps"]
        params = [(n, p) for n, p in self.unet.named_parameters() if p.requires_grad]
        opt = torch.optim.AdamW([p for _, p in params], lr=o["learning_rate"], betas=tuple(o["betas"]), eps=o["eps"], weight_decay=o["weight_decay"], foreach=False)
        snapshot = lambda: {n.removeprefix("base_model.model.").replace(".default", ""): p.detach().double().clone() for n, p in params}
        yield 0.0, 0.0, snapshot()
        for step in range(self.c["train"]["max_train_steps"]):
            total = 0.0
            for i in range(A):
                loss = self.loss(self.records[self.order(step * A + i)])
                (loss / A).backward()
                total += loss.item() / A
            norm = torch.nn.utils.clip_grad_norm_([p for _, p in params], o["max_grad_norm"] or float("inf"), foreach=False).item()
            opt.step()
            opt.zero_grad()
            yield total, norm, snapshot()


def distance(a, b, start):
    """Relative L2 of two adapters' changes since the start."""
    difference = sum(((a[n] - b[n]) ** 2).sum().item() for n in b) ** 0.5
    return difference / max(1e-30, sum(((b[n] - start[n]) ** 2).sum().item() for n in b) ** 0.5)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--run", required=True)
    p.add_argument("--steps", type=int, required=True)
    p.add_argument("--grad-steps", type=int, required=True)
    p.add_argument("--checkpoint", default=os.path.join(ROOT, "models", "shapes", "checkpoint"))
    p.add_argument("--json")
    args = p.parse_args()
    config = tomllib.load(open(os.path.join(args.run, "config.resolved.toml"), "rb"))
    lines = [json.loads(line) for line in open(os.path.join(args.run, "metrics.jsonl"))]
    torch.set_num_threads(1)
    rows, failed = [], False
    start = None
    for step, (single, double) in enumerate(zip(Run(config, args, torch.float32), Run(config, args, torch.float64))):
        if step == 0:
            start = double[2]
            continue
        ours = {n.removeprefix("base_model.model."): t.double() for n, t in load_file(os.path.join(args.run, f"checkpoint-{step}", "adapter_model.safetensors")).items()}
        assert ours.keys() == start.keys()
        line = lines[step - 1]
        row = {"step": step, "loss": [line["loss"], single[0], double[0]], "grad_norm": [line["grad_norm"], single[1], double[1]],
               "distance": distance(ours, double[2], start), "distance_torch_f32": distance(single[2], double[2], start)}
        row["ok"] = row["distance"] <= 2 * row["distance_torch_f32"]
        failed |= not row["ok"]
        rows.append(row)
        print(f"step {step}: loss {line['loss']:.6f} {single[0]:.6f} {double[0]:.6f}  gradient {line['grad_norm']:.6g} {single[1]:.6g} {double[1]:.6g}  "
              f"distance {row['distance']:.3g}, torch float32 {row['distance_torch_f32']:.3g}  {'ok' if row['ok'] else 'TOO FAR'}", flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(rows, f, indent=1)
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
