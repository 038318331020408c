"""Reference cases of single networks.

    networks.py [--out DIR] [--only NAME …]

networks.json is {"models": {name: {kind, seed, …config}}, "cases": {name: {entry, model, seed, …}}}.
Models go to DIR/models/<name>, cases to DIR/networks/<case>; DIR is tests/parity if not given.
"""
import argparse, json, os
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
import transformers as T

import reference as G

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


# ---------------------------------------------------------------- building and saving models

def build_unet(c):
    n = len(c["channels"])
    return UNet2DConditionModel(
        sample_size=c.get("sample_size", 16), in_channels=4, out_channels=4,
        down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * (n - 1),
        up_block_types=["CrossAttnUpBlock2D"] * (n - 1) + ["UpBlock2D"],
        block_out_channels=c["channels"], layers_per_block=c.get("layers", 1),
        transformer_layers_per_block=c["depth"], attention_head_dim=c["heads"], cross_attention_dim=c["context"],
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=c["size_embed"],
        projection_class_embeddings_input_dim=c["pooled"] + 6 * c["size_embed"], norm_num_groups=c.get("groups", 16))


def build_vae(c):
    n = len(c["channels"])
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * n, up_block_types=["UpDecoderBlock2D"] * n, block_out_channels=c["channels"],
        layers_per_block=c.get("layers", 1), latent_channels=4, norm_num_groups=c.get("groups", 8), scaling_factor=0.13025,
        force_upcast=True, sample_size=c.get("sample_size", 64))


def text_config(c):
    return T.CLIPTextConfig(
        vocab_size=c.get("vocab", 1000), hidden_size=c["width"], intermediate_size=c["mlp"], num_hidden_layers=c["layers"], num_attention_heads=c["heads"],
        max_position_embeddings=c.get("positions", 77), hidden_act=c.get("act", "gelu"), projection_dim=c.get("projection", c["width"]),
        bos_token_id=c.get("bos", 0), eos_token_id=c.get("eos", 2), pad_token_id=c.get("pad", 1), attn_implementation="sdpa")


def vision_config(c):
    return T.CLIPVisionConfig(
        hidden_size=c["width"], intermediate_size=c["mlp"], num_hidden_layers=c["layers"], num_attention_heads=c["heads"], image_size=c["image"],
        patch_size=c["patch"], hidden_act=c.get("act", "gelu"), projection_dim=c.get("projection", 512), attn_implementation="sdpa")


def build_clip(c):
    return T.CLIPModel(T.CLIPConfig(text_config=text_config(c["text"]).to_dict(), vision_config=vision_config(c["vision"]).to_dict(), projection_dim=c["projection"]))


def build_blip2(c):
    v, q = c["vision"], c["qformer"]
    config = T.Blip2Config(
        vision_config=dict(hidden_size=v["width"], intermediate_size=v["mlp"], num_hidden_layers=v["layers"], num_attention_heads=v["heads"],
                           image_size=v["image"], patch_size=v["patch"], hidden_act="gelu", layer_norm_eps=v.get("eps", 1e-6)),
        qformer_config=dict(vocab_size=q.get("vocab", 523), hidden_size=q["width"], num_hidden_layers=q["layers"], num_attention_heads=q["heads"],
                            intermediate_size=q["mlp"], max_position_embeddings=q.get("positions", 64), cross_attention_frequency=2,
                            use_qformer_text_input=True, encoder_hidden_size=v["width"]),
        text_config=dict(model_type="opt", hidden_size=16, num_hidden_layers=1, ffn_dim=16, num_attention_heads=1, word_embed_proj_dim=16, vocab_size=16),
        num_query_tokens=c["queries"], image_text_hidden_size=c["embed"], image_token_index=c.get("image_token"))
    return T.Blip2ForImageTextRetrieval(config)


class AestheticHead(torch.nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        sizes = [width] + hidden + [1]
        for index, (a, b) in zip((0, 2, 4, 6, 7), zip(sizes, sizes[1:])):
            self.add_module(f"l{index}", torch.nn.Linear(a, b))

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x

    def file_tensors(self):
        return {k.replace("l", "layers.", 1): v.detach().contiguous() for k, v in self.state_dict().items()}


BUILD = {
    "unet": build_unet, "vae": build_vae, "clip": build_clip, "blip2": build_blip2,
    "text": lambda c: T.CLIPTextModel(text_config(c)),
    "text_projection": lambda c: T.CLIPTextModelWithProjection(text_config(c)),
    "vision": lambda c: T.CLIPVisionModelWithProjection(vision_config(c)),
    "aesthetic": lambda c: T.CLIPVisionModelWithProjection(vision_config(c)),
}
LOAD = {
    "unet": UNet2DConditionModel, "vae": AutoencoderKL, "clip": T.CLIPModel, "blip2": T.Blip2ForImageTextRetrieval, "text": T.CLIPTextModel,
    "text_projection": T.CLIPTextModelWithProjection, "vision": T.CLIPVisionModelWithProjection, "aesthetic": T.CLIPVisionModelWithProjection,
}


def load_model(folder, kind, c=None):
    """As a user would load it; float32 in memory whatever is stored."""
    c = c or {}
    variant = {"variant": c["variant"]} if c.get("variant") else {}
    if kind in ("unet", "vae"):
        return LOAD[kind].from_pretrained(folder, torch_dtype=torch.float32, low_cpu_mem_usage=False, **variant).eval()
    return LOAD[kind].from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa", **variant).eval()


def rename_keys(folder, old, new):
    for name in os.listdir(folder):
        if name.endswith(".safetensors"):
            tensors = load_file(f"{folder}/{name}")
            save_file({k.replace(old, new, 1) if k.startswith(old) else k: v for k, v in tensors.items()}, f"{folder}/{name}", metadata={"format": "pt"})


def make_model(folder, c):
    kind = c["kind"]
    model = G.randomise(BUILD[kind](c), c["seed"], c.get("gains"), c.get("sharp", 1.5), c.get("residual", 0.7)).eval()
    G.fresh(folder)
    stored = DTYPES[c.get("stored", "f32")]
    if stored != torch.float32:
        model = model.to(stored)
    arguments = {}
    if c.get("variant"):
        arguments["variant"] = c["variant"]
    if c.get("shard"):
        arguments["max_shard_size"] = c["shard"]
    model.save_pretrained(folder, safe_serialization=True, **arguments) if kind in ("unet", "vae") else model.save_pretrained(folder, **arguments)
    if c.get("prefix"):                                    # published checkpoints: text_model.… ; transformers 5.23 writes CLIPTextModel without it
        tensors = load_file(f"{folder}/model.safetensors")
        save_file({c["prefix"] + k: v for k, v in tensors.items()}, f"{folder}/model.safetensors", metadata={"format": "pt"})
    edit = c.get("config_edit")
    if edit:
        path = f"{folder}/config.json"
        config = json.load(open(path))
        for dotted, value in edit.items():
            at = config
            *way, last = dotted.split(".")
            for step in way:
                at = at[step]
            if value == "<remove>":
                at.pop(last, None)
            else:
                at[last] = value
        G.write_json(path, config)
    if kind == "aesthetic":
        head = G.randomise(AestheticHead(c["projection"], c["head"]), c["seed"] + 1)
        save_file(head.file_tensors(), f"{folder}/aesthetic_head.safetensors")
    extra = f"{folder}/generation_config.json"
    if os.path.exists(extra):
        os.remove(extra)
    reloaded = None
    if not edit or kind not in ("clip",):
        reloaded = load_model(folder, kind, c)
        for (n, a), (m, b) in zip(sorted(model.state_dict().items()), sorted(reloaded.state_dict().items())):
            assert n == m and torch.equal(a.float(), b.float()), (n, m)
    print(f"model {os.path.basename(folder)}: {G.folder_bytes(folder) / 1e6:.2f} MB, {sum(p.numel() for p in model.parameters())} parameters", flush=True)


# ---------------------------------------------------------------- adapters

def make_adapter(folder, unet, c, seed):
    os.makedirs(folder, exist_ok=True)
    config = LoraConfig(r=c["rank"], lora_alpha=c["alpha"], target_modules=c["targets"], lora_dropout=c.get("dropout", 0.0), bias="none",
                        rank_pattern=c.get("rank_pattern", {}), alpha_pattern=c.get("alpha_pattern", {}), use_rslora=c.get("rslora", False))
    model = get_peft_model(unet, config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if ".lora_A." in name:
                p.copy_(G.randn(seed, name, *p.shape, scale=c.get("a_scale", 1.0) / p.shape[1] ** 0.5))
            elif ".lora_B." in name:
                p.copy_(G.randn(seed, name, *p.shape, scale=c.get("b_scale", 0.1) / p.shape[1] ** 0.5))
    model.save_pretrained(folder)
    for junk in ("README.md",):
        if os.path.exists(f"{folder}/{junk}"):
            os.remove(f"{folder}/{junk}")
    path = f"{folder}/adapter_config.json"
    text = json.load(open(path))
    text["base_model_name_or_path"] = None
    text["target_modules"] = sorted(text["target_modules"])
    G.write_json(path, text)


def lora_flags(c):
    rank = max([c["rank"]] + list(c.get("rank_pattern", {}).values()))
    return ["--lora-rank", str(rank), "--lora-targets", ",".join(c["targets"])]


# ---------------------------------------------------------------- entries: inputs and functions

def ids_for(seed, salt, batch, length, vocab, eos, pad, bos=None, low=3):
    """Rows bos … eos pad pad …, of different lengths; one row fills the whole length. The eos id may occur again as padding."""
    g = G.generator(seed, salt)
    out = torch.full((batch, length), pad, dtype=torch.int64)
    for b in range(batch):
        n = length if b == batch - 1 else int(torch.randint(max(3, length // 4), max(4, length - 1), (), generator=g))
        row = torch.randint(low, vocab - 2, (n,), generator=g)
        row[0] = vocab - 2 if bos is None else bos
        row[-1] = eos
        out[b, :n] = row
    return out


def image_inputs(seed, salt, batch, h, w):
    """Smooth pictures in 0…1 with some pixels outside (they are clamped)."""
    low = G.randn(seed, salt + "low", batch, 3, max(2, h // 8), max(2, w // 8))
    x = F.interpolate(low, size=(h, w), mode="bicubic") * 0.3 + G.randn(seed, salt + "high", batch, 3, h, w, scale=0.12) + 0.5
    return x


def pool_normalise(image, size):
    x = F.adaptive_avg_pool2d(image.clamp(0, 1), size)
    mean = torch.tensor(MEAN, dtype=torch.float64).view(1, 3, 1, 1).to(x.dtype)
    std = torch.tensor(STD, dtype=torch.float64).view(1, 3, 1, 1).to(x.dtype)
    return (x - mean) / std


def unet_inputs(s, model, seed):
    cfg, d = model.config, s["dims"]
    b, h, w, t = d["B"], d["H"], d["W"], d["T"]
    pooled = cfg.projection_class_embeddings_input_dim - 6 * cfg.addition_time_embed_dim
    steps = torch.tensor((s.get("timesteps") or [999, 39, 481, 1, 759.5])[:b], dtype=torch.float32)
    sizes = torch.tensor([[8.0 * h, 8.0 * w, 0, 0, 8.0 * h, 8.0 * w], [1024, 768, 16, 32, 512, 1024], [640, 480, 0, 64, 1024, 1024]])
    return {"sample": G.randn(seed, "sample", b, cfg.in_channels, h, w, scale=s.get("sample_scale", 1.0)), "timestep": steps,
            "encoder_hidden_states": G.randn(seed, "context", b, t, cfg.cross_attention_dim), "text_embeds": G.randn(seed, "pooled", b, pooled),
            "time_ids": torch.stack([sizes[i % 3] for i in range(b)])}


def unet_call(unet, x):
    return unet(x["sample"], x["timestep"].float(), encoder_hidden_states=x["encoder_hidden_states"],
                added_cond_kwargs={"text_embeds": x["text_embeds"], "time_ids": x["time_ids"].float()}, return_dict=False)[0]


def run_unet(m, x):
    with torch.no_grad():
        return {"sample": unet_call(m["model"], x)}


def run_vae_decode(m, x):
    with torch.no_grad():
        return {"image": m["model"].decode(x["latents"], return_dict=False)[0]}


def run_vae_encode(m, x):
    with torch.no_grad():
        d = m["model"].encode(x["image"]).latent_dist
        return {"mean": d.mean, "logvar": d.logvar}


def run_text(m, x):
    model = m["model"]
    layers, seen = (model.text_model if hasattr(model, "text_model") else model).encoder.layers, []
    hook = layers[-2].register_forward_hook(lambda mod, a, out: seen.append(out[0] if isinstance(out, tuple) else out))
    with torch.no_grad():
        o = model(x["input_ids"], output_hidden_states=True)
    hook.remove()
    assert torch.equal(o.hidden_states[-2], seen[0])       # what the SDXL pipeline takes is the output of the last layer but one, not normed
    pooled = o.text_embeds if hasattr(o, "text_embeds") else o.pooler_output
    return {"last_hidden_state": o.last_hidden_state, "penultimate_hidden_state": o.hidden_states[-2], "pooled": pooled}


def run_image(m, x):
    with torch.no_grad():
        o = m["model"](pixel_values=x["pixel_values"])
    return {"image_embeds": o.image_embeds, "last_hidden_state": o.last_hidden_state}


def blip2_call(model, pixels, ids, mask, itm):
    if model.config.image_token_index is not None:         # transformers then expects the placeholders in front and strips them again
        n = model.config.num_query_tokens
        ids = torch.cat([torch.full((ids.shape[0], n), model.config.image_token_index, dtype=ids.dtype), ids], 1)
        mask = torch.cat([torch.ones(mask.shape[0], n, dtype=mask.dtype), mask], 1)
    return model(pixel_values=pixels, input_ids=ids, attention_mask=mask, use_image_text_matching_head=itm).logits_per_image


def run_blip2_itc(m, x):
    with torch.no_grad():
        return {"itc": blip2_call(m["model"], x["pixel_values"], x["input_ids"], x["attention_mask"], False)}


def run_blip2_itm(m, x):
    with torch.no_grad():
        logits = blip2_call(m["model"], x["pixel_values"], x["input_ids"], x["attention_mask"], True)
        return {"itm_logits": logits, "itm": logits.softmax(-1)[:, 1]}


def blip2_rewards(model, image, ids, mask):
    pixels = pool_normalise(image, model.config.vision_config.image_size)
    itc = blip2_call(model, pixels, ids, mask, False).diagonal()
    itm = blip2_call(model, pixels, ids, mask, True).softmax(-1)[:, 1]
    return itc, itm


def run_blip2_reward(m, x):
    with torch.no_grad():
        itc, itm = blip2_rewards(m["model"], x["image"], x["input_ids"], x["attention_mask"])
        return {"itc": itc, "itm": itm}


def clip_image_features(model, image):
    pixels = pool_normalise(image, model.config.vision_config.image_size)
    f = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    return f / f.norm(dim=-1, keepdim=True)


def clip_scores(model, image, ids):
    i = clip_image_features(model, image)
    t = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    cosine = (i * (t / t.norm(dim=-1, keepdim=True))).sum(-1)
    return model.logit_scale.exp() * cosine, cosine


def run_clip_score(m, x):
    with torch.no_grad():
        score, cosine = clip_scores(m["model"], x["image"], x["input_ids"])
        return {"score": score, "cosine": cosine}


def run_clip_similarity(m, x):
    with torch.no_grad():
        return {"cosine": (clip_image_features(m["model"], x["image"]) * clip_image_features(m["model"], x["reference"])).sum(-1)}


def run_aesthetic(m, x):
    with torch.no_grad():
        f = m["model"](pixel_values=pool_normalise(x["image"], m["model"].config.image_size)).image_embeds
        return {"score": m["head"](f / f.norm(dim=-1, keepdim=True))[:, 0]}


RUN = {"unet": run_unet, "vae_decode": run_vae_decode, "vae_encode": run_vae_encode, "text_encode": run_text, "image_encode": run_image,
       "blip2_itc": run_blip2_itc, "blip2_itm": run_blip2_itm, "blip2_reward": run_blip2_reward, "clip_score": run_clip_score,
       "clip_image_similarity": run_clip_similarity, "aesthetic_score": run_aesthetic}


def blip2_ids(seed, batch, length, vocab):
    g = G.generator(seed, "caption")
    ids, mask = torch.zeros(batch, length, dtype=torch.int64), torch.zeros(batch, length, dtype=torch.int64)
    for b in range(batch):
        n = length if b == 0 else max(4, length - 3 * b)
        ids[b, :n] = torch.randint(104, vocab - 1, (n,), generator=g)
        ids[b, 0], ids[b, n - 1], mask[b, :n] = 101, 102, 1
    return {"input_ids": ids, "attention_mask": mask}


def make_inputs(s, model):
    e, d, seed = s["entry"], s["dims"], s["seed"]
    if e == "unet":
        return unet_inputs(s, model, seed)
    if e == "vae_decode":
        return {"latents": G.randn(seed, "latents", d["B"], 4, d["H"], d["W"], scale=2.0)}
    if e == "vae_encode":
        return {"image": 2 * image_inputs(seed, "image", d["B"], d["h"], d["w"]) - 1}
    if e == "text_encode":
        c = model.config
        eos = c.vocab_size - 1 if c.eos_token_id == 2 else c.eos_token_id
        return {"input_ids": ids_for(seed, "ids", d["B"], d["T"], c.vocab_size, eos, s.get("pad", 0))}
    if e == "image_encode":
        size = (model.config.vision_config if hasattr(model.config, "vision_config") else model.config).image_size
        return {"pixel_values": pool_normalise(image_inputs(seed, "pixels", d["B"], size, size), size)}
    if e.startswith("blip2"):
        text = blip2_ids(seed, d["B"], d["L"], model.config.qformer_config.vocab_size)
        if e in ("blip2_itc", "blip2_itm"):
            size = model.config.vision_config.image_size
            return {"pixel_values": pool_normalise(image_inputs(seed, "pixels", d["B"], size, size), size), **text}
        return {"image": image_inputs(seed, "image", d["B"], d["h"], d["w"]), **text}
    x = {"image": image_inputs(seed, "image", d["B"], d["h"], d["w"])}
    if e == "clip_score":
        c = model.config.text_config
        x["input_ids"] = ids_for(seed, "ids", d["B"], d["T"], c.vocab_size, c.vocab_size - 1 if c.eos_token_id == 2 else c.eos_token_id, s.get("pad", 0))
    if e == "clip_image_similarity":
        x["reference"] = image_inputs(seed, "reference", d["B"], d["h"], d["w"])
    return x


NOTES = {
    "unet": "diffusers UNet2DConditionModel, float64; the sinusoid tables stay float32 as the library builds them.",
    "vae_decode": "latents are already divided by the scaling factor.",
    "text_encode": "penultimate is hidden_states[-2] (before the final norm).",
    "blip2_itc": "input_ids are the plain word pieces, without image placeholder tokens, whatever image_token_index says.",
    "blip2_reward": "image clamped to 0…1, adaptive average pool to the tower's size, CLIP mean and std; itc is the diagonal of logits_per_image.",
    "clip_score": "image clamped to 0…1, adaptive average pool to the tower's size, CLIP mean and std; plain norms without eps.",
    "clip_image_similarity": "both images go through clamp, adaptive average pool, CLIP mean and std.",
    "aesthetic_score": "image[B,3,h,w] through clamp, pool, normalise; score[B] = head(image_embeds / norm); the head is aesthetic_head.safetensors beside the tower.",
}


def load_case_modules(out, s, mc, adapter=None):
    """The modules a case runs, loaded as a user would."""
    kind, folder = s.get("load", mc["kind"]), f"{out}/models/{s['model']}"
    if mc["kind"] == "clip" and kind == "vision":          # vision half of a full CLIP checkpoint
        full = T.CLIPModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa", config=build_clip(mc).config).eval()
        model = T.CLIPVisionModelWithProjection(vision_config(dict(mc["vision"], projection=mc["projection"]))).eval()
        model.load_state_dict({k: v for k, v in full.state_dict().items() if k.startswith("vi")}, strict=True)
    else:
        model = load_model(folder, kind, mc)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter, is_trainable=True).eval()
    modules = {"model": model}
    if kind == "aesthetic":
        head = AestheticHead(mc["projection"], mc["head"])
        head.load_state_dict({k.replace("layers.", "l", 1): v for k, v in load_file(f"{folder}/aesthetic_head.safetensors").items()})
        modules["head"] = head
    return modules


def make_case(out, name, s, models):
    mc = models[s["model"]]
    kind = s.get("load", mc["kind"])
    folder = f"{out}/models/{s['model']}"
    x = make_inputs(s, load_case_modules(out, s, mc)["model"])
    G.fresh(f"{out}/networks/{name}")
    flags, adapter, libraries = [], None, ("torch", "diffusers") if kind in ("unet", "vae") else ("torch", "transformers")
    if s.get("lora"):
        make_adapter(f"{out}/networks/{name}", load_model(folder, kind, mc), s["lora"], s["seed"])
        flags, adapter, libraries = lora_flags(s["lora"]), ".", libraries + ("peft",)
    modules = load_case_modules(out, s, mc, adapter and f"{out}/networks/{name}")
    want, deviation, detail = G.evaluate(modules, RUN[s["entry"]], x, s["seed"], tables=kind == "unet")
    note = s.get("note") or NOTES.get(s["entry"], "")
    if s.get("note_more"):
        note += " " + s["note_more"]
    G.write_case(f"{out}/networks/{name}", s["entry"], f"../../models/{s['model']}", s["dims"], x, want, deviation, note, flags, adapter, s.get("extra"), libraries)
    return detail


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--spec", default=f"{HERE}/networks.json")
    p.add_argument("--out", default=os.path.dirname(HERE))
    p.add_argument("--only", nargs="*", help="models and cases to make")
    p.add_argument("--detail", action="store_true")
    a = p.parse_args()
    spec = json.load(open(a.spec))
    for name, c in spec["models"].items():
        if not a.only or name in a.only:
            make_model(f"{a.out}/models/{name}", c)
    for name, s in spec["cases"].items():
        if not a.only or name in a.only:
            detail = make_case(a.out, name, s, spec["models"])
            if a.detail:
                for k, v in list(detail.items())[:4]:
                    print("   ", k, [f"{x:.1e}" for x in v])


if __name__ == "__main__":
    main()
