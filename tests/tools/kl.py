#!/usr/bin/env python3
"""hb-rt train on a module with a KL term: what inspect says of the module, and the distance to the model without adapters in everything a run writes."""
import glob
import json
import os

from harness import CHECKPOINT, ROOT, Test, read

ENTRIES = ["hummingbird_loss_and_grad", "text_encoder.text_encode", "text_encoder_2.text_encode", "image_encode"]
WEIGHTS = {"blip2": 100, "kl": 1e6}  # so that the term, small after a few steps, is seen in the loss

with Test(__doc__) as test:
    module, out = test.path("kl.hbm"), test.path("out")
    test.must("hbc compile", test.run("hbc", "compile", CHECKPOINT, "-o", module, "--dim", "L=32", "--lora-rank", 4, "--lora-targets", "to_q", "--steps", 3, "--grad-steps", 2, "--stop-grad-input",
                                      "--kl", "--reward", f"blip2={CHECKPOINT}/rewards/blip2", *[a for e in ENTRIES for a in ("--entry", e)]))
    test.expect("inspect", test.run("hb-rt", "inspect", module), 0, "training: 3 denoising steps, gradients through the last 2, none through the denoiser's input, a KL term to the model without adapters\n")
    record = json.loads(test.must("inspect --json", test.run("hb-rt", "inspect", module, "--json")).stdout)["training"]
    test.check("the record", record == {"steps": 3, "grad_steps": 2, "truncation": "fixed", "lv_samples": 0, "stop_grad_input": True, "lora_dropout": False, "kl": True}, record)

    manifest = os.path.join(ROOT, "models", "shapes", "data", "val.jsonl")
    test.write("two.jsonl", "".join(json.dumps({**json.loads(line), "image": os.path.join(os.path.dirname(manifest), json.loads(line)["image"])}) + "\n" for line in read(manifest).splitlines()[:2]))
    settings = {"model.compiled": module, "data.manifest": manifest, "data.validation": test.path("two.jsonl"), "adapter.rank": 4, "adapter.dropout": 0, "sampler.guidance_scale": 5, "sampler.seed": -1,
                "optimizer.learning_rate": 1e-3, "train.max_train_steps": 3, "train.gradient_accumulation_steps": 2, "checkpoint.output_dir": out, "checkpoint.checkpointing_steps": 3,
                "checkpoint.validation_steps": 3, **{f"rewards.{name}": weight for name, weight in WEIGHTS.items()}}
    test.expect("a run", test.run("hb-rt", "train", "--threads", 2, *[a for key, value in settings.items() for a in (f"--{key}", value)]), 0)
    lines = [json.loads(line) for line in read(os.path.join(out, "metrics.jsonl")).splitlines()]
    steps = [line for line in lines if "kl" in line]
    test.check("a line per step, and the validation", [line["step"] for line in steps] == [1, 2, 3] and [line["step"] for line in lines if "validation/kl" in line] == [3], lines)
    # The first step's adapter adds nothing, the later ones do.
    test.check("the distance from the frozen model", steps[0]["kl"] == 0 < steps[1]["kl"] < steps[2]["kl"], steps)
    for line, prefix in [(line, "") for line in steps] + [(lines[-1], "validation/")]:
        loss = WEIGHTS["kl"] * line[prefix + "kl"] - WEIGHTS["blip2"] * line[prefix + "reward/blip2"]
        test.check("the loss is its parts", abs(line[prefix + "loss"] - loss) < 1e-5 * abs(loss), line)
    events = b"".join(read(path) for path in glob.glob(os.path.join(out, "logs", "*")))
    test.check("TensorBoard has the tags", b"\x0a\x02kl" in events and b"validation/kl" in events)
    page = read(os.path.join(out, "report.html")).decode()
    test.check("the report has the curve", "Distance to the frozen model" in page and ">validation/kl</text>" in page)
