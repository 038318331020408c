#!/usr/bin/env python3
"""Writes an SDXL pipeline folder and a BLIP-2 folder at published size whose weights are holes: whole headers, files that occupy no disk.

    python3 tests/parity/hollow.py OUT               # OUT/pipeline, OUT/blip2
    python3 tests/parity/hollow.py OUT --random      # 15 GB of random weights, to run the programs (needs numpy)

hbc reads headers only, so the full-size programs can be compiled anywhere; without --random every weight is 0. Sizes are the published ones:
stabilityai/stable-diffusion-xl-base-1.0, CLIP ViT-bigG (whose projection gives the pooled condition) and Salesforce/blip2-itm-vit-g.
"""
import argparse
import glob
import json
import math
import os
import struct

from random_models import SHAPES, class_of

TEXT = {"vocab_size": 49408, "max_position_embeddings": 77, "layer_norm_eps": 1e-5, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
BIG = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 20, "intermediate_size": 5120, "hidden_act": "gelu", "projection_dim": 1280}

COMPONENTS = {
    "unet": {
        "_class_name": "UNet2DConditionModel", "sample_size": 128, "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "layers_per_block": 2, "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048, "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816, "act_fn": "silu", "norm_num_groups": 32, "norm_eps": 1e-5,
        "flip_sin_to_cos": True, "freq_shift": 0, "downsample_padding": 1},
    "vae": {
        "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2, "norm_num_groups": 32, "act_fn": "silu",
        "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True, "use_quant_conv": True, "use_post_quant_conv": True},
    "text_encoder": {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", **TEXT, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
                     "intermediate_size": 3072, "hidden_act": "quick_gelu", "projection_dim": 768},
    "text_encoder_2": {"architectures": ["CLIPTextModelWithProjection"], "model_type": "clip_text_model", **TEXT, **BIG},
    "image_encoder": {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model", **BIG, "hidden_size": 1664, "num_hidden_layers": 48,
                      "num_attention_heads": 16, "intermediate_size": 8192, "image_size": 224, "patch_size": 14, "num_channels": 3, "layer_norm_eps": 1e-5}}

BLIP2 = {"architectures": ["Blip2ForImageTextRetrieval"], "model_type": "blip-2", "num_query_tokens": 32, "image_text_hidden_size": 256,
         "vision_config": {"hidden_size": 1408, "num_hidden_layers": 39, "num_attention_heads": 16, "intermediate_size": 6144, "hidden_act": "gelu", "image_size": 224,
                           "patch_size": 14, "layer_norm_eps": 1e-6, "qkv_bias": True, "model_type": "blip_2_vision_model"},
         "qformer_config": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                            "cross_attention_frequency": 2, "encoder_hidden_size": 1408, "vocab_size": 30523, "max_position_embeddings": 512, "use_qformer_text_input": True,
                            "model_type": "blip_2_qformer"}}

INDEX = {"_class_name": "HummingbirdPipeline", "force_zeros_for_empty_prompt": True, "feature_extractor": ["transformers", "CLIPImageProcessor"],
         "scheduler": ["diffusers", "DDIMScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
         **{name: ["diffusers" if "_class_name" in config else "transformers", class_of(config)] for name, config in COMPONENTS.items()}}

SHARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "shapes", "checkpoint")


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=1)


def write_hollow(folder, config, file, dtype="F16", size=2):
    """config.json, and a safetensors file of the right length without anything behind its header."""
    write_json(f"{folder}/config.json", config)
    header, at = {}, 0
    for name, shape in sorted(SHAPES[class_of(config)](config).items()):
        bytes_ = size * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + bytes_]}
        at += bytes_
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{folder}/{file}", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
    return len(header), at


def fill(path):
    """Normal weights over the root of their fan-in, so that activations keep their size; gains of norms are 1, biases 0."""
    import numpy as np
    rng = np.random.default_rng(0)
    with open(path, "r+b") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        for name, tensor in header.items():
            shape, (begin, end) = tensor["shape"], tensor["data_offsets"]
            f.seek(8 + size + begin)
            if len(shape) < 2:
                f.write(np.full(shape, name.endswith("weight"), np.float16).tobytes())
                continue
            left, deviation = (end - begin) // 2, math.prod(shape[1:]) ** -0.5
            while left:
                count = min(left, 1 << 24)
                f.write((rng.standard_normal(count, np.float32) * np.float32(deviation)).astype(np.float16).tobytes())
                left -= count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--random", action="store_true", help="random weights instead of holes")
    args = parser.parse_args()
    out = args.out
    for name, config in COMPONENTS.items():
        file = "diffusion_pytorch_model.safetensors" if "_class_name" in config else "model.safetensors"
        print(name, "%d tensors, %d bytes" % write_hollow(f"{out}/pipeline/{name}", config, file))
    print("blip2", "%d tensors, %d bytes" % write_hollow(f"{out}/blip2", BLIP2, "model.safetensors"))
    if args.random:
        for path in sorted(glob.glob(f"{out}/*/*.safetensors") + glob.glob(f"{out}/*/*/*.safetensors")):
            fill(path)
    write_json(f"{out}/pipeline/model_index.json", INDEX)
    # What has no weights is the shipped checkpoint's: tokenizers, preprocessing, the noise schedule (SDXL's own).
    for part in ("scheduler", "tokenizer", "tokenizer_2", "feature_extractor"):
        link = f"{out}/pipeline/{part}"
        if not os.path.lexists(link):
            os.symlink(os.path.realpath(f"{SHARED}/{part}"), link)


if __name__ == "__main__":
    main()
