"""Records a reference training run for trainer.py: tests/parity/trainer/record.json and record.safetensors.

    trainer_record.py [--out ../trainer]

The trainer is trainer_run.py's, written in torch from the description of Algorithm 1; the run's numbers are trainer/train.toml, 5 denoising steps of which
the last 2 carry gradient. It runs in float64 and, from the same initial adapter, five times in float32: with torch's default kernels, with oneDNN off and the
plain attention kernel, and three times with frozen weights moved by at most one unit in the last place. The test asks
for twice the distance of the default kernels; the others say how far float32 runs lie apart. Kept per optimizer step: the float64 run's loss, gradient norm and rewards, and all distances; kept at a few steps: what training changed in float64 (as float32: rounding a change costs
6e-8 of it, four orders below any distance), and the pictures of the first and the last step.
"""
import argparse, contextlib, json, os, types, tomllib
import numpy as np
import torch
from safetensors.torch import save_file

from reference import plain_kernels
from trainer_run import ROOT, Run, distance

STEPS, GRAD_STEPS, KEPT, PICTURES = 5, 2, (1, 2, 5, 10, 20), (1, 20)


def crc32c(data):
    """RFC 3720, reflected polynomial 0x82F63B78."""
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


@torch.no_grad()
def nudge_frozen(module, seed):
    """Half of the frozen weights, one unit up or down."""
    g, trained = torch.Generator().manual_seed(seed), {id(p) for n, p in module.named_parameters() if "lora_" in n}
    for p in module.parameters():
        if id(p) not in trained:
            u = torch.rand(p.shape, generator=g)
            target = torch.where(u < 0.5, torch.full_like(p, float("inf")), torch.full_like(p, -float("inf")))
            p.copy_(torch.where((u * 4).frac() < 0.5, torch.nextafter(p, target), p))


class RecordedRun(Run):
    """Keeps the pictures and the checksums of the noise of all its samples."""

    def __init__(self, *args):
        super().__init__(*args)
        self.images, self.latents = [], []
        decode = self.enc.vae.decode

        def decoded(x, *rest, **more):
            out = decode(x, *rest, **more)
            self.images.append((out.sample.detach() / 2 + 0.5).clamp(0, 1))
            return out
        self.enc.vae.decode = decoded

    def noise(self, seed):
        x = super().noise(seed)
        self.latents.append(crc32c(x.numpy().tobytes()))
        return x


def record(run, around):
    """[(loss, gradient norm, adapter), …] of a run, every step computed inside the context `around`."""
    steps, rows = iter(run), []
    while True:
        with around():
            row = next(steps, None)
        if row is None:
            return rows
        rows.append(row)
        print(f"step {len(rows) - 1}: {row[0]:.6f} {row[1]:.6g}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "trainer"))
    p.add_argument("--checkpoint", default=os.path.join(ROOT, "models", "shapes", "checkpoint"))
    args = p.parse_args()
    config = tomllib.load(open(os.path.join(args.out, "train.toml"), "rb"))
    config["data"]["manifest"] = os.path.join(ROOT, "models", "shapes", "data", "train.jsonl")
    torch.set_num_threads(1)
    setting = types.SimpleNamespace(checkpoint=args.checkpoint, steps=STEPS, grad_steps=GRAD_STEPS)
    accumulation = config["train"]["gradient_accumulation_steps"]
    count = config["train"]["max_train_steps"] * accumulation
    exact = RecordedRun(config, setting, torch.float64)
    doubles = record(exact, contextlib.nullcontext)
    start = doubles[0][2]
    singles = {}
    for name, around, nudge in [("default", contextlib.nullcontext, None), ("plain", plain_kernels, None), *((f"nudged {i}", contextlib.nullcontext, i) for i in range(3))]:
        run = RecordedRun(config, setting, torch.float32)
        if nudge is not None:
            for module in (run.unet, run.reward.m, run.enc.img, run.enc.vae, *run.enc.te):
                nudge_frozen(module, nudge)
        singles[name] = record(run, around)
        assert all(torch.equal(singles[name][0][2][n], start[n]) for n in start)
    tensors, rows, weight = {f"start.{n}": t.float() for n, t in start.items()}, [], -config["rewards"]["blip2"]
    for step in range(1, len(doubles)):
        loss, norm, adapter = doubles[step]
        rows.append({"loss": loss, "reward/blip2": loss / weight, "grad_norm": norm, "distance": {name: distance(run[step][2], adapter, start) for name, run in singles.items()},
                     "loss_distance": {name: abs(run[step][0] / loss - 1) for name, run in singles.items()}, "grad_norm_distance": {name: abs(run[step][1] / norm - 1) for name, run in singles.items()}})
        if step in KEPT:
            tensors.update({f"change.{step}.{n}": (adapter[n] - start[n]).float() for n in start})
        if step in PICTURES:
            images = torch.cat(exact.images[(step - 1) * accumulation:step * accumulation]).permute(0, 2, 3, 1)
            tensors[f"pictures.{step}"] = torch.from_numpy(np.rint(images.numpy() * 255).astype(np.uint8))
        print(f"step {step}: {rows[-1]['distance']}")
    order = [exact.order(i) for i in range(count)]
    made = {"torch": torch.__version__, "steps": STEPS, "grad_steps": GRAD_STEPS, "lora_targets": ["to_q", "to_v", "ff.net.0.proj"], "order": order,
            "seeds": [exact.records[i]["seed"] for i in order], "latents_crc32c": exact.latents, "optimizer_steps": rows}
    save_file({n: t.contiguous() for n, t in tensors.items()}, os.path.join(args.out, "record.safetensors"))
    with open(os.path.join(args.out, "record.json"), "w") as f:
        # one line per list of numbers and per step
        f.write("{\n" + ",\n".join(f" {json.dumps(k)}: " + (json.dumps(v) if k != "optimizer_steps" else "[\n" + ",\n".join("  " + json.dumps(row) for row in v) + "]") for k, v in made.items()) + "}\n")


if __name__ == "__main__":
    main()
