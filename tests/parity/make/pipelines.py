"""Generation by whole pipelines.

    pipelines.py [--out DIR] [--only NAME …]

Pipelines go to DIR/<name> (diffusers folder layout), cases to DIR/generate/<case>. A pipeline with "folder" exists already: its cases only read it.
"""
import argparse, json, os
import numpy as np
import torch
from PIL import Image
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionXLPipeline
from peft import PeftModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.clip.tokenization_clip import CLIPTokenizer

import reference as G
import networks as N

SCHEDULER = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
             "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0,
             "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": None, "use_karras_sigmas": False}

CORPUS = """a red cube on a blue table . a photo of a small dog running in the park . two people holding a skateboard with yellow wheels .
the green circle is left of the purple square . an oil painting of a lighthouse at night . a bird sits on the branch of an old tree .
many little houses near the river , seen from above . the cat is sleeping on the sofa . a cup of coffee and a book on the desk .
what is the color of the shirt ? the man with the hat is riding a white horse . three boats in the harbor under a cloudy sky ."""


# ---------------------------------------------------------------- a small CLIP vocabulary

def byte_characters():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return [table[b] for b in keep] + [table[b] for b in range(256) if b not in keep]


def learn_merges(text, count):
    words = {}
    for w in text.split():
        key = tuple(w[:-1]) + (w[-1] + "</w>",)
        words[key] = words.get(key, 0) + 1
    merges = []
    while len(merges) < count:
        pairs = {}
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] = pairs.get(p, 0) + n
        if not pairs:
            break
        best = max(pairs.items(), key=lambda kv: (kv[1], kv[0]))[0]
        merges.append(best)
        merged = {}
        for w, n in words.items():
            out, i = [], 0
            while i < len(w):
                if i + 1 < len(w) and (w[i], w[i + 1]) == best:
                    out.append(w[i] + w[i + 1])
                    i += 2
                else:
                    out.append(w[i])
                    i += 1
            merged[tuple(out)] = merged.get(tuple(out), 0) + n
        words = merged
    return merges


def write_tokenizer(folder, merges, pad):
    """vocab.json in CLIP's order: bytes, bytes</w>, merges, two specials; "!" is id 0."""
    G.fresh(folder)
    chars = byte_characters()
    tokens = chars + [c + "</w>" for c in chars] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {t: i for i, t in enumerate(tokens)}
    with open(f"{folder}/vocab.json", "w") as f:
        json.dump(vocab, f, ensure_ascii=True)
    with open(f"{folder}/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = lambda t: {"content": t, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    G.write_json(f"{folder}/special_tokens_map.json", {"bos_token": special("<|startoftext|>"), "eos_token": special("<|endoftext|>"), "pad_token": pad, "unk_token": special("<|endoftext|>")})
    G.write_json(f"{folder}/tokenizer_config.json", {
        "add_prefix_space": False, "bos_token": special("<|startoftext|>"), "clean_up_tokenization_spaces": True, "do_lower_case": True,
        "eos_token": special("<|endoftext|>"), "errors": "replace", "model_max_length": 77, "pad_token": pad, "tokenizer_class": "CLIPTokenizer",
        "unk_token": special("<|endoftext|>")})
    return len(tokens)


def read_tokenizer(folder):
    with open(f"{folder}/tokenizer_config.json") as f:
        config = json.load(f)
    vocab = json.load(open(f"{folder}/vocab.json"))
    merges = [tuple(line.split()) for line in open(f"{folder}/merges.txt").read().split("\n")[1:] if line]
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=config["pad_token"], model_max_length=77)


def tokenise(tokenizer, texts):
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


# ---------------------------------------------------------------- the pipeline folder

def make_pipeline(folder, c):
    G.fresh(folder)
    merges = learn_merges(c.get("corpus", CORPUS), c.get("merges", 160))
    size = write_tokenizer(f"{folder}/tokenizer", merges, "<|endoftext|>")
    write_tokenizer(f"{folder}/tokenizer_2", merges, "!")
    parts = {"unet": "unet", "vae": "vae", "text_encoder": "text", "text_encoder_2": "text_projection", "image_encoder": "vision"}
    for index, (part, kind) in enumerate(parts.items()):
        config = dict(c[part], kind=kind, seed=c["seed"] + index)
        if kind.startswith("text"):
            config["vocab"] = size
        if kind == "text":
            config["prefix"] = "text_model."
        N.make_model(f"{folder}/{part}", config)
    image = c["image_encoder"]["image"]
    os.makedirs(f"{folder}/feature_extractor")
    G.write_json(f"{folder}/feature_extractor/preprocessor_config.json", {
        "crop_size": {"height": image, "width": image}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": list(N.MEAN), "image_processor_type": "CLIPImageProcessor", "image_std": list(N.STD),
        "resample": 3, "rescale_factor": 1 / 255, "size": {"shortest_edge": image}})
    os.makedirs(f"{folder}/scheduler")
    G.write_json(f"{folder}/scheduler/scheduler_config.json", SCHEDULER)
    G.write_json(f"{folder}/model_index.json", {
        "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.19.0.dev0", "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "force_zeros_for_empty_prompt": True, "image_encoder": ["transformers", "CLIPVisionModelWithProjection"], "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"]})
    print(f"pipeline {os.path.basename(folder)}: {G.folder_bytes(folder) / 1e6:.2f} MB", flush=True)


def load_parts(folder, c):
    kinds = {"unet": "unet", "vae": "vae", "text_encoder": "text", "text_encoder_2": "text_projection", "image_encoder": "vision"}
    return {p: N.load_model(f"{folder}/{p}", k, c.get(p)) for p, k in kinds.items()}


# ---------------------------------------------------------------- schedulers (own code; every case without an adapter is compared with diffusers' pipeline)

ALPHAS_CUMPROD = torch.cumprod(1.0 - torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float32) ** 2, 0)


def euler_tables(steps):
    scheduler = EulerDiscreteScheduler.from_config(SCHEDULER)
    scheduler.set_timesteps(steps)
    return scheduler.sigmas.double().tolist(), scheduler.timesteps.tolist()


def hummingbird_timesteps(steps):
    ratio = 1000 // steps
    return [max(k * ratio + 999 - ratio * (steps - 1), 1) for k in range(steps)][::-1]


def ddim_step(ac, t, steps, x, eps):
    p = t - 1000 // steps
    a, b = ac[t].to(x.dtype), (ac[p] if p >= 0 else ac[0]).to(x.dtype)
    x0 = (x - (1 - a).sqrt() * eps) / a.sqrt()
    return b.sqrt() * x0 + (1 - b).sqrt() * eps


def guided(unet, x, t, cond, w):
    eps = unet(torch.cat([x, x]), torch.full((2 * x.shape[0],), float(t)), encoder_hidden_states=cond["encoder_hidden_states"],
               added_cond_kwargs={"text_embeds": cond["text_embeds"], "time_ids": cond["time_ids"].float()}, return_dict=False)[0]
    u, c = eps.chunk(2)
    return u + w * (c - u)


# ---------------------------------------------------------------- generation

def reference_image(seed, width, height):
    g = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    img = np.zeros((height, width, 3))
    for ch in range(3):
        a, b, p = g.uniform(0.02, 0.12, 3)
        img[..., ch] = 0.5 + 0.35 * np.sin(a * x + b * y + 40 * p)
    for _ in range(4):
        cx, cy, r = g.uniform(0, width), g.uniform(0, height), g.uniform(6, 20)
        img[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = g.uniform(0, 1, 3)
    return Image.fromarray((img * 255).round().astype(np.uint8))


def encode_prompt(m, ids1, ids2):
    a = m["text_encoder"](ids1, output_hidden_states=True)
    b = m["text_encoder_2"](ids2, output_hidden_states=True)
    return torch.cat([a.hidden_states[-2], b.hidden_states[-2]], -1), b.text_embeds


TABLES = {}


def generate_function(s):
    if s["sampler"] == "euler":
        TABLES[s["steps"]] = euler_tables(s["steps"])

    def run(m, x):
        with torch.no_grad():
            ctx, pooled = encode_prompt(m, x["ids1"], x["ids2"])
            if "pixel_values" in x:
                pooled = m["image_encoder"](pixel_values=x["pixel_values"]).image_embeds.expand(ctx.shape[0], -1)
            neg_ctx, neg_pooled = torch.zeros_like(ctx), torch.zeros_like(pooled)
            if "neg1" in x:
                neg_ctx, neg_pooled = encode_prompt(m, x["neg1"], x["neg2"])
                if "pixel_values" in x:
                    neg_pooled = torch.zeros_like(pooled)
            b = x["noise"].shape[0]
            cond = {"encoder_hidden_states": torch.cat([neg_ctx.expand(b, -1, -1), ctx.expand(b, -1, -1)]),
                    "text_embeds": torch.cat([neg_pooled.expand(b, -1), pooled.expand(b, -1)]), "time_ids": x["time_ids"]}
            lat, w, steps = x["noise"], s["guidance"], s["steps"]
            if s["sampler"] == "euler":
                sig, ts = torch.tensor(TABLES[steps][0], dtype=torch.float64).to(lat.dtype), TABLES[steps][1]
                lat = lat * (sig.max() ** 2 + 1).sqrt()
                for i, t in enumerate(ts):
                    eps = guided(m["unet"], lat / (sig[i] ** 2 + 1).sqrt(), t, cond, w)
                    lat = lat + (sig[i + 1] - sig[i]) * eps
            else:
                ac = ALPHAS_CUMPROD
                for t in timesteps_of(s):
                    lat = ddim_step(ac, t, steps, lat, guided(m["unet"], lat, t, cond, w))
            image = (m["vae"].decode(lat / m["vae"].config.scaling_factor, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
            return {"latents": lat, "image": image}
    return run


def timesteps_of(s):
    if s["sampler"] == "ddim-hummingbird":
        return hummingbird_timesteps(s["steps"])
    if s["sampler"] == "ddim":
        ratio = 1000 // s["steps"]
        return [k * ratio + 1 for k in range(s["steps"])][::-1]
    return euler_tables(s["steps"])[1]


def library_generate(folder, m, s, x, prompt, toks):
    """The same through diffusers' StableDiffusionXLPipeline in float32."""
    if s["sampler"] == "euler":
        sch = EulerDiscreteScheduler.from_config(SCHEDULER)
    else:
        config = dict(SCHEDULER, _class_name="DDIMScheduler")
        sch = DDIMScheduler.from_config(config)
        if s["sampler"] == "ddim-hummingbird":
            plain = sch.set_timesteps

            def lead_999(n, device=None, **kw):
                plain(n, device)
                sch.timesteps = torch.tensor(hummingbird_timesteps(n))
            sch.set_timesteps = lead_999
    pipe = StableDiffusionXLPipeline(vae=m["vae"], text_encoder=m["text_encoder"], text_encoder_2=m["text_encoder_2"], tokenizer=toks[0], tokenizer_2=toks[1], unet=m["unet"],
                                     scheduler=sch, force_zeros_for_empty_prompt=True, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    kw = {}
    if s.get("negative") is not None:
        kw["negative_prompt"] = s["negative"]
    pe, ne, pp, npp = pipe.encode_prompt(prompt, do_classifier_free_guidance=True, **kw)
    if "pixel_values" in x:
        with torch.no_grad():
            pp = m["image_encoder"](pixel_values=x["pixel_values"]).image_embeds
        npp = torch.zeros_like(pp)
    return pipe(prompt_embeds=pe, negative_prompt_embeds=ne, pooled_prompt_embeds=pp, negative_pooled_prompt_embeds=npp, num_inference_steps=s["steps"], guidance_scale=s["guidance"],
                width=s["width"], height=s["height"], num_images_per_prompt=s.get("batch", 1), generator=torch.Generator().manual_seed(s["seed"]), output_type="latent").images


def read_tokenizers(folder):
    return [read_tokenizer(f"{folder}/{t}") for t in ("tokenizer", "tokenizer_2")]


def generate_inputs(folder, s, vae, case):
    """Everything a generation starts from; the reference picture is the one in the case's folder."""
    toks, f, b = read_tokenizers(folder), 2 ** (len(vae.config.block_out_channels) - 1), s.get("batch", 1)
    noise = torch.randn((b, 4, s["height"] // f, s["width"] // f), generator=torch.Generator().manual_seed(s["seed"]))
    x = {"ids1": tokenise(toks[0], [s["prompt"]]), "ids2": tokenise(toks[1], [s["prompt"]]), "noise": noise,
         "time_ids": torch.tensor([[s["height"], s["width"], 0, 0, s["height"], s["width"]]] * (2 * b), dtype=torch.float32)}
    if s.get("negative") is not None:
        x.update({"neg1": tokenise(toks[0], [s["negative"]]), "neg2": tokenise(toks[1], [s["negative"]])})
    if s.get("reference"):
        pre = json.load(open(f"{folder}/feature_extractor/preprocessor_config.json"))
        proc = CLIPImageProcessorPil(size=pre["size"], crop_size=pre["crop_size"], image_mean=pre["image_mean"], image_std=pre["image_std"])
        x["pixel_values"] = torch.from_numpy(np.asarray(proc(Image.open(f"{case}/reference.png"), return_tensors="np")["pixel_values"]).astype(np.float32))
    return x


def make_generate_case(out, name, s, spec, folder=None, adapter=None):
    pc = spec["pipelines"].get(s["model"], {})
    folder = folder or f"{out}/{s['model']}"
    m = load_parts(folder, pc)
    case = f"{out}/generate/{name}"
    model = os.path.relpath(folder, case)
    G.fresh(case)
    toks, b = read_tokenizers(folder), s.get("batch", 1)
    if s.get("reference"):
        reference_image(*s["reference"]).save(f"{case}/reference.png")
    x = generate_inputs(folder, s, m["vae"], case)
    modules = dict(m)
    if s.get("lora"):
        N.make_adapter(f"{case}", N.load_model(f"{folder}/unet", "unet", pc.get("unet")), s["lora"], s["lora"]["seed"])
        modules["unet"] = PeftModel.from_pretrained(m["unet"], f"{case}").eval()
    want, deviation, detail = G.evaluate(modules, generate_function(s), x, s["seed"], tables=True)
    if not s.get("lora"):
        lib = library_generate(folder, m, s, x, s["prompt"], toks)
        agree = G.relative_l2(lib, want["latents"])
        assert agree < max(1e-4, 10 * deviation["latents"]), agree
        print(f"   diffusers' own pipeline in float32 is {agree:.2e} away")
    pixels = (want["image"].permute(0, 2, 3, 1).numpy() * 255)
    rounded = np.rint(pixels).astype(np.uint8)
    for i in range(b):
        Image.fromarray(rounded[i]).save(f"{case}/expected_{i:03d}.png")
    extra = {"generate": {k: s[k] for k in ("prompt", "negative", "steps", "guidance", "seed", "sampler", "width", "height") if k in s} | {"batch": b, "rng": "cpu", "reference": "reference.png" if s.get("reference") else None},
             "timesteps": timesteps_of(s), "input_ids": {"tokenizer": x["ids1"].tolist(), "tokenizer_2": x["ids2"].tolist()},
             "png": {"max_difference": 1, "different_share": max(1e-3, 20 * 255 * deviation["image"])}}
    note = ("Text-only SDXL: pooled from text_encoder_2." if not s.get("reference") else "Hummingbird: pooled is image_embeds of the reference image (Pillow bicubic preprocessing).")
    note += " No negative prompt means zeros. latents are the final ones, before the division by the scaling factor."
    latents = lambda table: {"latents": table["latents"]}         # of the picture the PNG is enough
    G.write_case(case, "generate", model, {}, None, latents(want), latents(deviation), note, N.lora_flags(s["lora"]) if s.get("lora") else [], "." if s.get("lora") else None, extra,
                 ("torch", "diffusers", "transformers"))
    print("   latents std", float(want["latents"].std()), "image mean/std", float(want["image"].mean()), float(want["image"].std()), {k: [f"{e:.1e}" for e in v] for k, v in detail.items()})


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--spec", default=f"{N.HERE}/pipelines.json")
    p.add_argument("--out", default=os.path.dirname(N.HERE))
    p.add_argument("--only", nargs="*")
    a = p.parse_args()
    spec = json.load(open(a.spec))
    for name, c in spec["pipelines"].items():
        if "folder" not in c and (not a.only or name in a.only):
            make_pipeline(f"{a.out}/{name}", c)
    for name, s in spec["cases"].items():
        if not a.only or name in a.only:
            folder = spec["pipelines"][s["model"]].get("folder")
            make_generate_case(a.out, name, s, spec, folder and os.path.normpath(f"{N.HERE}/{folder}"))


if __name__ == "__main__":
    main()
