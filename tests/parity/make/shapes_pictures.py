"""What diffusers draws from the trained checkpoint for the validation prompts.

    shapes_pictures.py [--out DIR] [--only ID …]

Writes DIR/<NNN>.png (tests/parity/shapes/expected if not given) and, beside that folder, made_with.json. Every picture: 25 steps on Hummingbird's DDIM grid, guidance 5,
128 x 128, the seed, the prompt and the reference picture of models/shapes/data/val.jsonl; noise from torch's CPU generator.

Everything runs through StableDiffusionXLPipeline and DDIMScheduler in float32, as a user would run them. Three things are set by hand, because the library has no
argument for them: the grid 999, 959, … (the scheduler's own starts at 961), the pooled vector (image_embeds of the reference picture; zeros in the unconditional half) and
the CLIP image processor that works with Pillow.
"""
import argparse, json, os
import numpy as np
import torch
from PIL import Image
from diffusers import DDIMScheduler, StableDiffusionXLPipeline
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import reference as G
import pipelines as P
import networks as N

ROOT = os.path.abspath(f"{N.HERE}/../../../models/shapes")
STEPS, GUIDANCE, SIZE = 25, 5.0, 128


class HummingbirdGrid(DDIMScheduler):
    """DDIM that starts at the last training step. A previous step below 0 means the first table entry, as set_alpha_to_one false says."""

    def set_timesteps(self, count, device=None, **options):
        super().set_timesteps(count, device)
        self.timesteps = torch.tensor(P.hummingbird_timesteps(count), device=device)


def load_pipeline():
    checkpoint = f"{ROOT}/checkpoint"
    parts = P.load_parts(checkpoint, {})
    tokenizers = [P.read_tokenizer(f"{checkpoint}/{name}") for name in ("tokenizer", "tokenizer_2")]
    scheduler = HummingbirdGrid.from_pretrained(f"{checkpoint}/scheduler")
    pipe = StableDiffusionXLPipeline(vae=parts["vae"], text_encoder=parts["text_encoder"], text_encoder_2=parts["text_encoder_2"], tokenizer=tokenizers[0],
                                     tokenizer_2=tokenizers[1], unet=parts["unet"], scheduler=scheduler, force_zeros_for_empty_prompt=True, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    with open(f"{checkpoint}/feature_extractor/preprocessor_config.json") as f:
        pre = json.load(f)
    processor = CLIPImageProcessorPil(size=pre["size"], crop_size=pre["crop_size"], image_mean=pre["image_mean"], image_std=pre["image_std"])
    return pipe, parts["image_encoder"], processor


def draw(pipe, tower, processor, prompt, reference, seed):
    """-> PIL picture"""
    with torch.no_grad():
        context, negative, _, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=True)
        pixels = np.asarray(processor(Image.open(reference), return_tensors="np")["pixel_values"], np.float32)
        pooled = tower(pixel_values=torch.from_numpy(pixels)).image_embeds
    return pipe(prompt_embeds=context, negative_prompt_embeds=negative, pooled_prompt_embeds=pooled, negative_pooled_prompt_embeds=torch.zeros_like(pooled),
                num_inference_steps=STEPS, guidance_scale=GUIDANCE, width=SIZE, height=SIZE, generator=torch.Generator().manual_seed(seed), output_type="pil").images[0]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.abspath(f"{N.HERE}/../shapes/expected"))
    p.add_argument("--only", nargs="*", help="ids of val.jsonl")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    pipe, tower, processor = load_pipeline()
    with open(f"{ROOT}/data/val.jsonl") as f:
        prompts = [json.loads(line) for line in f]
    for record in prompts:
        if a.only and record["id"] not in a.only:
            continue
        picture = draw(pipe, tower, processor, record["prompt"], f"{ROOT}/data/{record['image']}", record["seed"])
        path = f"{a.out}/{os.path.basename(record['image'])}"
        picture.save(path, optimize=True)
        print(f"{path}: {record['prompt']}, seed {record['seed']}", flush=True)
    G.write_json(f"{a.out}/../made_with.json", {"steps": STEPS, "guidance": GUIDANCE, "sampler": "ddim-hummingbird", "size": SIZE, "pipeline": type(pipe).__mro__[0].__name__,
                                                "scheduler": "DDIMScheduler", "image_processor": type(processor).__name__, "versions": G.VERSIONS})


if __name__ == "__main__":
    main()
