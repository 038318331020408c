"""Random small checkpoints of every network: configs with unusual sizes, the tensors they need, inputs.

The names and shapes are written down here a second time, beside models/*.hb, so that a name wrong in one of them is found. `python3 random_models.py` compares them with the
checkpoints in models/ and pipeline/, which the libraries wrote.
"""
import glob, json, math, os, sys
import numpy as np

from files import read_safetensors, write_safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD_WIDTHS = [8, 16, 24, 40, 64, 80, 88, 104, 5, 13, 27, 50]


# ---------------------------------------------------------------- shapes of the tensors, by network

def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def linear(name, cin, cout, bias=True):
    return {f"{name}.weight": (cout, cin), **({f"{name}.bias": (cout,)} if bias else {})}


def conv(name, cin, cout, kernel=3):
    return {f"{name}.weight": (cout, cin, kernel, kernel), f"{name}.bias": (cout,)}


def resnet(name, cin, cout, emb=None):
    out = {**norm(f"{name}.norm1", cin), **conv(f"{name}.conv1", cin, cout), **norm(f"{name}.norm2", cout), **conv(f"{name}.conv2", cout, cout)}
    if emb:
        out.update(linear(f"{name}.time_emb_proj", emb, cout))
    if cin != cout:
        out.update(conv(f"{name}.conv_shortcut", cin, cout, 1))
    return out


def transformer(name, width, depth, context):
    out = {**norm(f"{name}.norm", width), **linear(f"{name}.proj_in", width, width), **linear(f"{name}.proj_out", width, width)}
    for d in range(depth):
        block = f"{name}.transformer_blocks.{d}"
        for part, keys in (("attn1", width), ("attn2", context)):
            out.update({**linear(f"{block}.{part}.to_q", width, width, False), **linear(f"{block}.{part}.to_k", keys, width, False),
                        **linear(f"{block}.{part}.to_v", keys, width, False), **linear(f"{block}.{part}.to_out.0", width, width)})
        out.update({**linear(f"{block}.ff.net.0.proj", width, 8 * width), **linear(f"{block}.ff.net.2", 4 * width, width)})
        for n in (1, 2, 3):
            out.update(norm(f"{block}.norm{n}", width))
    return out


def per_block(value, count):
    return value if isinstance(value, list) else [value] * count


def unet(c):
    widths, n = c["block_out_channels"], len(c["block_out_channels"])
    layers, depth, context = per_block(c["layers_per_block"], n), per_block(c["transformer_layers_per_block"], n), c["cross_attention_dim"]
    emb = 4 * widths[0]
    out = {**conv("conv_in", c["in_channels"], widths[0]), **norm("conv_norm_out", widths[0]), **conv("conv_out", widths[0], c["out_channels"])}
    for name, cin in (("time_embedding", widths[0]), ("add_embedding", c["projection_class_embeddings_input_dim"])):
        out.update({**linear(f"{name}.linear_1", cin, emb), **linear(f"{name}.linear_2", emb, emb)})
    skips = [widths[0]]
    for i, w in enumerate(widths):
        for j in range(layers[i]):
            out.update(resnet(f"down_blocks.{i}.resnets.{j}", skips[-1], w, emb))
            if c["down_block_types"][i].startswith("CrossAttn"):
                out.update(transformer(f"down_blocks.{i}.attentions.{j}", w, depth[i], context))
            skips.append(w)
        if i + 1 < n:
            out.update(conv(f"down_blocks.{i}.downsamplers.0.conv", w, w))
            skips.append(w)
    out.update({**resnet("mid_block.resnets.0", w, w, emb), **transformer("mid_block.attentions.0", w, depth[-1], context), **resnet("mid_block.resnets.1", w, w, emb)})
    at = w
    for i, w in enumerate(reversed(widths)):
        for j in range(layers[n - 1 - i] + 1):
            out.update(resnet(f"up_blocks.{i}.resnets.{j}", at + skips.pop(), w, emb))
            if c["up_block_types"][i].startswith("CrossAttn"):
                out.update(transformer(f"up_blocks.{i}.attentions.{j}", w, depth[n - 1 - i], context))
            at = w
        if i + 1 < n:
            out.update(conv(f"up_blocks.{i}.upsamplers.0.conv", w, w))
    return out


def vae_middle(name, w):
    out = {**resnet(f"{name}.resnets.0", w, w), **norm(f"{name}.attentions.0.group_norm", w), **resnet(f"{name}.resnets.1", w, w)}
    for part in ("to_q", "to_k", "to_v", "to_out.0"):
        out.update(linear(f"{name}.attentions.0.{part}", w, w))
    return out


def vae(c):
    widths, n, z = c["block_out_channels"], len(c["block_out_channels"]), c["latent_channels"]
    out = {**conv("encoder.conv_in", 3, widths[0]), **vae_middle("encoder.mid_block", widths[-1]), **norm("encoder.conv_norm_out", widths[-1]),
           **conv("encoder.conv_out", widths[-1], 2 * z), **conv("decoder.conv_in", z, widths[-1]), **vae_middle("decoder.mid_block", widths[-1]),
           **norm("decoder.conv_norm_out", widths[0]), **conv("decoder.conv_out", widths[0], 3)}
    if c["use_quant_conv"]:
        out.update(conv("quant_conv", 2 * z, 2 * z, 1))
    if c["use_post_quant_conv"]:
        out.update(conv("post_quant_conv", z, z, 1))
    for name, order, layers, sampler in (("encoder.down_blocks", widths, c["layers_per_block"], "downsamplers"), ("decoder.up_blocks", widths[::-1], c["layers_per_block"] + 1, "upsamplers")):
        at = order[0]
        for i, w in enumerate(order):
            for j in range(layers):
                out.update(resnet(f"{name}.{i}.resnets.{j}", at, w))
                at = w
            if i + 1 < n:
                out.update(conv(f"{name}.{i}.{sampler}.0.conv", w, w))
    return out


def clip_layers(name, c):
    out, w = {}, c["hidden_size"]
    for i in range(c["num_hidden_layers"]):
        layer = f"{name}.encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            out.update(linear(f"{layer}.self_attn.{part}", w, w))
        out.update({**norm(f"{layer}.layer_norm1", w), **norm(f"{layer}.layer_norm2", w), **linear(f"{layer}.mlp.fc1", w, c["intermediate_size"]),
                    **linear(f"{layer}.mlp.fc2", c["intermediate_size"], w)})
    return out


def text_tower(c):
    w = c["hidden_size"]
    return {"text_model.embeddings.token_embedding.weight": (c["vocab_size"], w), "text_model.embeddings.position_embedding.weight": (c["max_position_embeddings"], w),
            **clip_layers("text_model", c), **norm("text_model.final_layer_norm", w)}


def vision_tower(c):
    w, patch = c["hidden_size"], c["patch_size"]
    return {"vision_model.embeddings.class_embedding": (w,), "vision_model.embeddings.patch_embedding.weight": (w, 3, patch, patch),
            "vision_model.embeddings.position_embedding.weight": ((c["image_size"] // patch) ** 2 + 1, w),
            **norm("vision_model.pre_layrnorm", w), **clip_layers("vision_model", c), **norm("vision_model.post_layernorm", w)}


def clip(c):
    t, v, p = c["text_config"], c["vision_config"], c["projection_dim"]
    return {**text_tower(t), **vision_tower(v), **linear("text_projection", t["hidden_size"], p, False), **linear("visual_projection", v["hidden_size"], p, False), "logit_scale": ()}


def blip2(c):
    v, q, joint = c["vision_config"], c["qformer_config"], c["image_text_hidden_size"]
    w, k = q["hidden_size"], v["hidden_size"]
    out = {"vision_model.embeddings.class_embedding": (1, 1, k), "vision_model.embeddings.position_embedding": (1, (v["image_size"] // v["patch_size"]) ** 2 + 1, k),
           **conv("vision_model.embeddings.patch_embedding", 3, k, v["patch_size"]), **norm("vision_model.post_layernorm", k),
           "query_tokens": (1, c["num_query_tokens"], w), "embeddings.word_embeddings.weight": (q["vocab_size"], w),
           "embeddings.position_embeddings.weight": (q["max_position_embeddings"], w), **norm("qformer.layernorm", w), **linear("itm_head", w, 2),
           **linear("vision_projection", w, joint), **linear("text_projection", w, joint)}
    for i in range(v["num_hidden_layers"]):
        layer = f"vision_model.encoder.layers.{i}"
        out.update({**norm(f"{layer}.layer_norm1", k), **norm(f"{layer}.layer_norm2", k), **linear(f"{layer}.self_attn.qkv", k, 3 * k),
                    **linear(f"{layer}.self_attn.projection", k, k), **linear(f"{layer}.mlp.fc1", k, v["intermediate_size"]), **linear(f"{layer}.mlp.fc2", v["intermediate_size"], k)})
    for i in range(q["num_hidden_layers"]):
        layer = f"qformer.encoder.layer.{i}"
        parts = [("attention", w)] + ([("crossattention", k)] if i % q["cross_attention_frequency"] == 0 else [])
        for part, keys in parts:
            out.update({**linear(f"{layer}.{part}.attention.query", w, w), **linear(f"{layer}.{part}.attention.key", keys, w), **linear(f"{layer}.{part}.attention.value", keys, w),
                        **linear(f"{layer}.{part}.output.dense", w, w), **norm(f"{layer}.{part}.output.LayerNorm", w)})
        for suffix in ("", "_query"):
            out.update({**linear(f"{layer}.intermediate{suffix}.dense", w, q["intermediate_size"]), **linear(f"{layer}.output{suffix}.dense", q["intermediate_size"], w),
                        **norm(f"{layer}.output{suffix}.LayerNorm", w)})
    return out


SHAPES = {"UNet2DConditionModel": unet, "AutoencoderKL": vae, "CLIPTextModel": text_tower,
          "CLIPTextModelWithProjection": lambda c: {**text_tower(c), **linear("text_projection", c["hidden_size"], c["projection_dim"], False)},
          "CLIPVisionModelWithProjection": lambda c: {**vision_tower(c), **linear("visual_projection", c["hidden_size"], c["projection_dim"], False)},
          "CLIPModel": clip, "Blip2ForImageTextRetrieval": blip2}


def class_of(config):
    return config["_class_name"] if "_class_name" in config else config["architectures"][0]


# ---------------------------------------------------------------- weights and folders

def weights(rng, shapes):
    """Attention far from uniform, norms that scale and shift, biases, activations of order one."""
    sharp = ("to_q.", "to_k.", "q_proj.", "k_proj.", "query.", "key.", ".qkv.")
    out = {}
    for name, shape in sorted(shapes.items()):
        noise = rng.standard_normal(shape).astype(np.float32)
        if name == "logit_scale":
            out[name] = np.float32(2.5) + 0 * noise
        elif "norm" in name.lower():
            out[name] = 1 + 0.2 * noise if name.endswith("weight") else 0.15 * noise
        elif "embedding" in name and "linear" not in name and not name.endswith("patch_embedding.weight") or "query_tokens" in name:
            out[name] = 0.6 * noise
        elif len(shape) <= 1:
            out[name] = 0.1 * noise
        else:
            out[name] = noise * np.float32((1.2 if any(s in name for s in sharp) else 1.0) / math.sqrt(np.prod(shape[1:])))
    return {k: np.asarray(v, np.float32) for k, v in out.items()}


def write_folder(folder, config, tensors, dtype, layout):
    """`layout`: one file, the .fp16. variant, or shards with an index."""
    os.makedirs(folder)
    with open(f"{folder}/config.json", "w") as f:
        json.dump(config, f, indent=1)
    stem = "diffusion_pytorch_model" if "_class_name" in config else "model"
    if layout != "shards":
        write_safetensors(f"{folder}/{stem}{'.fp16' if layout == 'variant' else ''}.safetensors", tensors, dtype, {"format": "pt"})
        return
    names, count, index = sorted(tensors), 3, {}
    for i in range(count):
        file = f"{stem}-{i + 1:05d}-of-{count:05d}.safetensors"
        part = {k: tensors[k] for k in names[i::count]}
        write_safetensors(f"{folder}/{file}", part, dtype, {"format": "pt"})
        index.update({k: file for k in part})
    with open(f"{folder}/{stem}.safetensors.index.json", "w") as f:
        json.dump({"metadata": {"total_size": sum(4 * v.size for v in tensors.values())}, "weight_map": index}, f)


# ---------------------------------------------------------------- random configs: (config, entry, dims, inputs)

def pick(rng, values):
    return values[int(rng.integers(len(values)))]


def heads_and_width(rng, unit, largest):
    """A head width and count whose product is a multiple of `unit` (the groups of the norms)."""
    while True:
        width, count = pick(rng, HEAD_WIDTHS), int(rng.integers(1, 5))
        step = unit // math.gcd(unit, width)
        count *= step
        if width * count <= largest:
            return count, width * count


def ids(rng, batch, length, vocab, end):
    out = rng.integers(3, vocab - 2, (batch, length))
    for row in out:
        row[int(rng.integers(1, length)):] = end
    return out.astype(np.int64)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def picture(rng, *shape):
    return (0.5 + 0.3 * rng.standard_normal(shape)).astype(np.float32)


def random_unet(rng):
    n, groups = int(rng.integers(2, 4)), pick(rng, [1, 2, 3, 4, 5, 8])
    # the first width is also that of the time step's sinusoid, which is even
    heads, widths = zip(*(heads_and_width(rng, groups if i else math.lcm(groups, 2), (40, 90, 130)[min(i + 3 - n, 2)]) for i in range(n)))
    attends = [bool(rng.random() < 0.3)] + [bool(rng.random() < 0.85) for _ in range(n - 1)]
    pooled, size_embed, context = int(rng.integers(1, 50)), 2 * int(rng.integers(2, 8)), int(rng.integers(3, 90))
    channels = pick(rng, [4, 4, 3, 9])
    config = {"_class_name": "UNet2DConditionModel", "act_fn": "silu", "addition_embed_type": "text_time", "addition_time_embed_dim": size_embed, "attention_head_dim": list(heads),
              "block_out_channels": list(widths), "cross_attention_dim": context, "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
              "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in attends[::-1]], "downsample_padding": 1, "flip_sin_to_cos": bool(rng.integers(2)), "freq_shift": int(rng.integers(2)),
              "in_channels": channels, "out_channels": 4, "layers_per_block": int(rng.integers(1, 3)) if n == 2 else 1, "norm_eps": pick(rng, [1e-5, 1e-6]), "norm_num_groups": groups,
              "projection_class_embeddings_input_dim": pooled + 6 * size_embed, "sample_size": 16, "transformer_layers_per_block": [int(rng.integers(1, 3)) for _ in range(n)],
              "use_linear_projection": True}
    b, h, w, t = int(rng.integers(1, 4)), int(rng.integers(5, 25)), int(rng.integers(5, 25)), pick(rng, [1, 5, 31, 77, 80])
    # Angles of the sinusoids are float32 in diffusers and here, and float64 in the evaluator: at time step 999 that alone is 6e-5 of an angle. Small steps and sizes keep the
    # comparison about everything else; networks/ has the large ones, with limits that admit both kinds of table.
    x = {"sample": normal(rng, b, channels, h, w), "timestep": rng.integers(0, 9, b).astype(np.float32) / 2, "encoder_hidden_states": normal(rng, b, t, context),
         "text_embeds": normal(rng, b, pooled), "time_ids": rng.integers(0, 5, (b, 6)).astype(np.float32)}
    return config, "unet", {"B": b, "H": h, "W": w, "T": t}, x


def random_vae(rng):
    n, groups = int(rng.integers(1, 4)), pick(rng, [1, 2, 3, 4, 5, 7])
    z = pick(rng, [4, 4, 3, 16])
    config = {"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [groups * int(rng.integers(1, 1 + 48 // groups)) for _ in range(n)], "down_block_types": ["DownEncoderBlock2D"] * n,
              "up_block_types": ["UpDecoderBlock2D"] * n, "in_channels": 3, "out_channels": 3, "latent_channels": z, "layers_per_block": int(rng.integers(1, 3)), "norm_num_groups": groups,
              "sample_size": 32, "scaling_factor": 0.2, "use_quant_conv": bool(rng.random() < 0.8), "use_post_quant_conv": bool(rng.random() < 0.8)}
    b, f = int(rng.integers(1, 4)), 2 ** (n - 1)
    h, w = int(rng.integers(2, 20)), int(rng.integers(2, 20))
    if rng.random() < 0.5:
        return config, "vae_decode", {"B": b, "H": h, "W": w}, {"latents": 2 * normal(rng, b, z, h, w)}
    return config, "vae_encode", {"B": b, "h": f * h, "w": f * w}, {"image": 2 * picture(rng, b, 3, f * h, f * w) - 1}


def text_config(rng):
    heads, width = heads_and_width(rng, 1, 200)
    return {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": int(rng.integers(5, 200)), "num_hidden_layers": int(rng.integers(2, 4)), "vocab_size": int(rng.integers(20, 400)),
            "max_position_embeddings": 77, "hidden_act": pick(rng, ["gelu", "quick_gelu"]), "layer_norm_eps": 1e-5, "eos_token_id": 2}


def random_text(rng):
    c, projected = text_config(rng), bool(rng.integers(2))
    c.update({"architectures": ["CLIPTextModelWithProjection" if projected else "CLIPTextModel"], "model_type": "clip_text_model", "projection_dim": int(rng.integers(1, 90))})
    b, t = int(rng.integers(1, 4)), pick(rng, [2, 5, 16, 31, 77])
    return c, "text_encode", {"B": b, "T": t}, {"input_ids": ids(rng, b, t, c["vocab_size"], c["vocab_size"] - 1)}


def vision_config(rng):
    heads, width = heads_and_width(rng, 1, 200)
    patch = int(rng.integers(3, 15))
    return {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": int(rng.integers(5, 200)), "num_hidden_layers": int(rng.integers(1, 3)), "image_size": patch * int(rng.integers(1, 6)),
            "patch_size": patch, "hidden_act": pick(rng, ["gelu", "quick_gelu"]), "layer_norm_eps": 1e-5}


def random_vision(rng):
    c = vision_config(rng)
    c.update({"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", "projection_dim": int(rng.integers(1, 90))})
    b = int(rng.integers(1, 4))
    return c, "image_encode", {"B": b}, {"pixel_values": normal(rng, b, 3, c["image_size"], c["image_size"])}


def random_clip(rng):
    c = {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": int(rng.integers(2, 70)), "text_config": text_config(rng), "vision_config": vision_config(rng)}
    b, t, size = int(rng.integers(1, 4)), pick(rng, [5, 31, 77]), c["vision_config"]["image_size"]
    h, w = size + int(rng.integers(0, 20)), size + int(rng.integers(0, 20))
    x, dims = {"image": picture(rng, b, 3, h, w)}, {"B": b, "h": h, "w": w}
    if rng.random() < 0.5:
        return c, "clip_image_similarity", dims, {**x, "reference": picture(rng, b, 3, h, w)}
    vocab = c["text_config"]["vocab_size"]
    return c, "clip_score", {**dims, "T": t}, {**x, "input_ids": ids(rng, b, t, vocab, vocab - 1)}


def random_blip2(rng):
    v = dict(vision_config(rng), hidden_act="gelu", layer_norm_eps=1e-6, qkv_bias=True, model_type="blip_2_vision_model")
    heads, width = heads_and_width(rng, 1, 120)
    q = {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": int(rng.integers(5, 150)), "num_hidden_layers": int(rng.integers(1, 4)), "cross_attention_frequency": 2,
         "encoder_hidden_size": v["hidden_size"], "vocab_size": int(rng.integers(130, 300)), "max_position_embeddings": 40, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "use_qformer_text_input": True,
         "model_type": "blip_2_qformer"}
    c = {"architectures": ["Blip2ForImageTextRetrieval"], "model_type": "blip-2", "image_text_hidden_size": int(rng.integers(2, 50)), "image_token_index": None,
         "num_query_tokens": int(rng.integers(1, 12)), "qformer_config": q, "vision_config": v}
    b, length = int(rng.integers(1, 4)), pick(rng, [3, 5, 31])
    mask = np.zeros((b, length), np.int64)
    for row in mask:
        row[:int(rng.integers(2, length + 1))] = 1
    x = {"input_ids": ids(rng, b, length, q["vocab_size"], 102), "attention_mask": mask}
    entry = pick(rng, ["blip2_itc", "blip2_itm", "blip2_reward"])
    if entry != "blip2_reward":
        return c, entry, {"B": b, "L": length}, {**x, "pixel_values": normal(rng, b, 3, v["image_size"], v["image_size"])}
    h, w = v["image_size"] + int(rng.integers(0, 20)), v["image_size"] + int(rng.integers(0, 20))
    return c, entry, {"B": b, "L": length, "h": h, "w": w}, {**x, "image": picture(rng, b, 3, h, w)}


MAKERS = [random_unet] * 4 + [random_vae] * 3 + [random_text] * 2 + [random_vision, random_clip, random_blip2]


ADAPTER_TARGETS = [["to_q", "to_v", "ff.net.0.proj"], ["to_k", "to_out.0"], ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"], ["proj_in", "to_v"], ["attn2.to_k", "attn1.to_v"]]


def write_adapters(rng, folder, shapes):
    """-> (arguments of hbc compile and hbc eval, arguments --adapter …). One or two PEFT folders of odd ranks on some sites of a UNet; the slots are as wide as both together.
    alpha is at most twice the rank: beyond that float32 itself, torch's too, is further than the limit from float64."""
    targets, slot, flags = pick(rng, ADAPTER_TARGETS), 0, []
    for i in range(int(rng.integers(1, 3))):
        rank, tensors = int(rng.integers(1, 8)), {}
        for name, shape in sorted(shapes.items()):
            path = name.removesuffix(".weight")
            if name.endswith(".weight") and len(shape) == 2 and ".attentions." in name and any(path.endswith("." + t) for t in targets) and rng.random() < 0.8:
                tensors[f"base_model.model.{path}.lora_A.weight"] = normal(rng, rank, shape[1]) / np.float32(math.sqrt(shape[1]))
                tensors[f"base_model.model.{path}.lora_B.weight"] = normal(rng, shape[0], rank) * np.float32(0.2)
        if not tensors:
            continue
        config = {"peft_type": "LORA", "r": rank, "lora_alpha": int(rng.integers(1, 2 * rank + 1)), "target_modules": targets, "use_rslora": bool(rng.integers(2)), "bias": "none"}
        os.makedirs(f"{folder}/adapter{i}")
        with open(f"{folder}/adapter{i}/adapter_config.json", "w") as f:
            json.dump(config, f)
        write_safetensors(f"{folder}/adapter{i}/adapter_model.safetensors", tensors, pick(rng, ["F32", "F16"]))
        flags += ["--adapter", f"{folder}/adapter{i}:{pick(rng, [1, 0.5, -1.25])}"]
        slot += rank
    return (["--lora-rank", str(slot), "--lora-targets", ",".join(targets)], flags) if slot else ([], [])


def write_case(folder, seed):
    """-> (entry, dims, what it is in a few words, compile flags, adapter flags); the checkpoint is folder/model, the inputs folder/inputs.safetensors."""
    rng = np.random.default_rng(seed)
    config, entry, dims, inputs = MAKERS[seed % len(MAKERS)](rng)
    dtype, layout = pick(rng, ["F32", "F16", "F16", "BF16"]), pick(rng, ["one file", "one file", "variant", "shards"])
    shapes = SHAPES[class_of(config)](config)
    write_folder(f"{folder}/model", config, weights(rng, shapes), dtype, layout)
    write_safetensors(f"{folder}/inputs.safetensors", inputs)
    flags, adapters = write_adapters(rng, folder, shapes) if entry == "unet" and rng.random() < 0.5 else ([], [])
    words = f"{dtype}, {layout}, {' '.join(f'{k}={v}' for k, v in dims.items())}" + (f", {len(adapters) // 2} adapters on {flags[-1]}, slots {flags[1]}" if adapters else "")
    return entry, dims, words, flags, adapters


def main():
    """Names and shapes against the libraries' files; the exit status tells."""
    failed = 0
    for path in sorted(glob.glob(f"{HERE}/models/*/config.json") + glob.glob(f"{HERE}/pipeline/*/config.json")):
        with open(path) as f:
            config = json.load(f)
        folder, stored = os.path.dirname(path), {}
        for file in glob.glob(f"{folder}/*model*.safetensors"):
            stored.update({k: v.shape for k, v in read_safetensors(file).items()})
        if not any(k.startswith("text_model.") for k in stored) and class_of(config) == "CLIPTextModel":
            stored = {"text_model." + k: v for k, v in stored.items()}          # transformers 5 writes this class without the prefix
        if config.get("projection_dim") and "visual_projection.weight" in stored:
            config["projection_dim"] = stored["visual_projection.weight"][0]    # the weight is right where the config is not
        want = SHAPES[class_of(config)](config)
        wrong = {k for k in set(want) | set(stored) if want.get(k) != stored.get(k)}
        failed += bool(wrong)
        print(f"{os.path.relpath(folder, HERE):40s} {len(stored)} tensors, {'ok' if not wrong else 'FAIL ' + str(sorted(wrong)[:4])}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
