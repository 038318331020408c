"""Reference cases of the training entry with its options: dropout at the adapters, KL term, random truncation, stopped input, several noises.

    objective.py [--out DIR] [--only NAME …]

objective.json is {name: {steps, grad_steps, batch, …}}. Cases go to DIR/objective/<name>, DIR is tests/parity if not given; the pipeline and the
reward's model must be there. Nothing here shares the program's form: samples run one by one, truncation is torch.no_grad around the earlier
steps, PEFT computes the adapters, and dropout's mask is written from the formulas of nn.dropout in Python integers.
"""
import argparse, json, os
import numpy as np
import torch
from peft import PeftModel

import networks as N
import pipelines as P
import reference as G

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = ["to_q", "to_v", "ff.net.0.proj"]
LORA = {"rank": 2, "alpha": 8, "targets": TARGETS}
DROP = {"probability": 0.0, "seed": 0, "step": 0, "rows": None, "batch": 0}


# ---------------------------------------------------------------- dropout (nn.dropout's definition)

def mix64(z):
    z = (z + 0x9E3779B97F4A7C15) % 2 ** 64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2 ** 64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2 ** 64
    return z ^ z >> 31


def mix32(h):
    h = (h ^ h >> np.uint64(16)) * np.uint64(0x85EBCA6B) & np.uint64(0xFFFFFFFF)
    h = (h ^ h >> np.uint64(13)) * np.uint64(0xC2B2AE35) & np.uint64(0xFFFFFFFF)
    return h ^ h >> np.uint64(16)


def site_of(path):
    h = 2166136261
    for c in path.encode():
        h = (h ^ c) * 16777619 % 2 ** 32
    return h


def kept(count, probability, seed, step, site):
    key = mix64((mix64((mix64(seed) + step) % 2 ** 64) + site) % 2 ** 64)
    h = mix32(mix32(np.arange(count, dtype=np.uint64) ^ np.uint64(key % 2 ** 32)) ^ np.uint64(key >> 32))
    return h >= np.uint64(int(probability * 2.0 ** 32))


class Drop(torch.nn.Module):
    """In PEFT's place of lora_dropout. The mask is that of the whole batch; a sample that runs alone takes its rows."""

    def __init__(self, path):
        super().__init__()
        self.site = site_of(path)

    def forward(self, x):
        if DROP["probability"] == 0:
            return x
        whole = (DROP["batch"],) + tuple(x.shape[1:])
        mask = kept(int(np.prod(whole)), DROP["probability"], DROP["seed"], DROP["step"], self.site).reshape(whole)[DROP["rows"]]
        return x * torch.from_numpy(mask).to(x.dtype) / (1 - DROP["probability"])


# ---------------------------------------------------------------- the objective

def worth(scores):
    """With the published weights."""
    return sum({"blip2": 100, "clip_image": 50}[name] * score for name, score in scores.items())


def similarity(clip, image, reference):
    """The reference is not clamped: it goes into the tower as bicubic resizing left it, normalised."""
    mean, std = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1).to(image.dtype) for v in (N.MEAN, N.STD))
    with torch.no_grad():
        r = clip.visual_projection(clip.vision_model(pixel_values=(reference - mean) / std).pooler_output)
    return (N.clip_image_features(clip, image) * r / r.norm(dim=-1, keepdim=True)).sum(-1)[0]


def objective(s):
    times = P.hummingbird_timesteps(s["steps"])
    high = s["grad_steps"]

    def run(m, x):
        unet, b, total = m["unet"], s["batch"], 0
        dtype = x["latents"].dtype
        params = {n.removeprefix("base_model.model.").replace(".default", ""): p for n, p in unet.named_parameters() if ".lora_" in n}
        for p in params.values():
            p.requires_grad_(True)
        DROP.update(probability=float(x["dropout"]) if "dropout" in x else 0.0, seed=int(x.get("dropout_seed", 0)), batch=2 * b)
        weight = float(x["kl.weight"]) if "kl.weight" in x else 0.0
        rewards, latents, apart = [], [], []
        for i in range(b):
            rows = [i, b + i]
            DROP["rows"] = rows
            cond = {k: x[k][rows] for k in ("encoder_hidden_states", "text_embeds", "time_ids")}
            k = int(x["grad_steps"][i]) if "grad_steps" in x else high

            def predict(lat, t, number):
                DROP["step"] = number
                return unet(torch.cat([lat, lat]), torch.full((2,), float(t)), encoder_hidden_states=cond["encoder_hidden_states"],
                            added_cond_kwargs={"text_embeds": cond["text_embeds"], "time_ids": cond["time_ids"].float()}, return_dict=False)[0]

            def step(lat, t, number, with_kl):
                seen = lat.detach() if s.get("stop_grad_input") else lat
                noise, far = predict(seen, t, number), torch.zeros((), dtype=dtype)
                if with_kl and "kl.weight" in x:
                    with unet.disable_adapter():
                        far = (noise - predict(seen, t, number)).pow(2).mean()
                u, c = noise.chunk(2)
                return P.ddim_step(P.ALPHAS_CUMPROD, t, s["steps"], lat, u + x["guidance_scale"] * (c - u)), far

            def judge(lat):
                image = (m["vae"].decode(lat / m["vae"].config.scaling_factor, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
                itc, itm = N.blip2_rewards(m["blip2"], image, x["blip2.input_ids"][i:i + 1], x["blip2.attention_mask"][i:i + 1])
                scores = {"blip2": (itc + itm)[0]}
                if "clip_image" in m:
                    scores["clip_image"] = similarity(m["clip_image"], image, x["clip_image.reference"][i:i + 1])
                return scores

            lat, far = x["latents"][i:i + 1], torch.zeros((), dtype=dtype)
            with torch.no_grad():
                for number in range(s["steps"] - k):
                    lat, _ = step(lat, times[number], number, False)
            for number in range(s["steps"] - k, s["steps"]):
                lat, more = step(lat, times[number], number, True)
                far = far + more
            reward = judge(lat)
            samples = [weight * far - worth(reward)]
            for v in range(s.get("lv_samples", 0)):
                t = times[-1]
                before = t - 1000 // s["steps"]
                ratio = P.ALPHAS_CUMPROD[t].double() / P.ALPHAS_CUMPROD[max(before, 0)].double()
                back = ratio.sqrt().to(dtype) * lat.detach() + (1 - ratio).sqrt().to(dtype) * x["lv_noise"][v, i:i + 1]
                again, more = step(back, t, s["steps"] + v, True)
                samples.append(weight * more - worth(judge(again)))
            total = total + sum(samples) / len(samples) / b
            rewards.append(reward)
            latents.append(lat)
            apart.append(far)
        grads = torch.autograd.grad(total, list(params.values()))
        out = {"loss": total, **{f"reward.{r}": torch.stack([v[r] for v in rewards]) for r in rewards[0]}, "latents": torch.cat(latents)}
        if "kl.weight" in x:
            out["kl"] = torch.stack(apart).mean()
        return {**out, **{f"grad.{n}": g for n, g in zip(params, grads)}}
    return run


def make_case(out, name, s):
    spec = json.load(open(f"{HERE}/pipelines.json"))["pipelines"]["pipeline"]
    folder, case = f"{out}/pipeline", f"{out}/objective/{name}"
    G.fresh(case)
    parts = P.load_parts(folder, spec)
    adapter = f"{out}/objective/adapter"
    if not os.path.exists(adapter):
        N.make_adapter(adapter, N.load_model(f"{folder}/unet", "unet", spec["unet"]), dict(LORA, b_scale=0.2), 900)
    unet = PeftModel.from_pretrained(N.load_model(f"{folder}/unet", "unet", spec["unet"]), adapter).eval()
    for path, module in unet.named_modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = Drop(path.removeprefix("base_model.model."))
    b, side, tokens, length = s["batch"], s.get("side", 12), 7, 6
    modules = {"unet": unet, "vae": parts["vae"], "blip2": N.load_model(f"{out}/models/blip2_a", "blip2")}
    salt = 902
    x = {"latents": G.randn(salt, "latents", b, 4, side, side), "encoder_hidden_states": G.randn(salt, "context", 2 * b, tokens, 72, scale=0.7),
         "text_embeds": G.randn(salt, "pooled", 2 * b, 24, scale=0.7), "time_ids": torch.tensor([[4.0 * side, 4.0 * side, 0, 0, 4.0 * side, 4.0 * side]] * (2 * b)),
         "guidance_scale": torch.tensor(4.0), "blip2.input_ids": N.ids_for(salt, "ids", b, length, 523, 102, 0, 101),
         "blip2.attention_mask": torch.ones(b, length, dtype=torch.int64)}
    if s.get("clip_image"):
        modules["clip_image"] = N.load_model(f"{out}/models/clip_h", "clip")
        side_of_tower = modules["clip_image"].config.vision_config.image_size
        x["clip_image.reference"] = N.image_inputs(salt, "reference", b, side_of_tower, side_of_tower)
        assert x["clip_image.reference"].min() < -0.1 and x["clip_image.reference"].max() > 1.1
    flags = ["--lora-rank", str(LORA["rank"]), "--lora-targets", ",".join(TARGETS), "--steps", str(s["steps"]), "--reward", "blip2=../../models/blip2_a"]
    if s.get("truncation"):
        flags += ["--truncation", "random:%d-%d" % (min(s["truncation"]), s["grad_steps"])]
        x["grad_steps"] = torch.tensor(s["truncation"])
    else:
        flags += ["--grad-steps", str(s["grad_steps"])]
    if s.get("clip_image"):
        flags += ["--reward", "clip_image=../../models/clip_h"]
    if s.get("dropout"):
        flags += ["--lora-dropout"]
        x.update({"dropout": torch.tensor(s["dropout"]), "dropout_seed": torch.tensor(s["dropout_seed"])})
    if s.get("kl"):
        flags += ["--kl"]
        x["kl.weight"] = torch.tensor(s["kl"])
    if s.get("stop_grad_input"):
        flags += ["--stop-grad-input"]
    if s.get("lv_samples"):
        flags += ["--lv-samples", str(s["lv_samples"])]
        x["lv_noise"] = G.randn(salt, "lv", s["lv_samples"], b, 4, side, side)
    want, deviation, _ = G.evaluate(modules, objective(s), x, salt, tables=True)
    dims = {"B": b, "H": side, "W": side, "T": tokens, "L": length}
    G.write_case(case, "hummingbird_loss_and_grad", "../../pipeline", dims, x, want, deviation, s["note"], flags, "../adapter", None, ("torch", "diffusers", "transformers", "peft"))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--out", default=os.path.dirname(HERE))
    a.add_argument("--only", nargs="+")
    a = a.parse_args()
    for name, s in json.load(open(f"{HERE}/objective.json")).items():
        if not a.only or name in a.only:
            make_case(a.out, name, s)


if __name__ == "__main__":
    main()
