"""What every maker shares: seeded weights, float64 reference runs, float32 deviation, files of a case.

A maker writes below tests/parity: models/<name> and <group>/<case>.
"""
import contextlib, copy, hashlib, json, math, os, shutil
import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True, warn_only=True)

import diffusers, peft, safetensors, transformers          # noqa: E402
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
diffusers.utils.logging.set_verbosity_error()

VERSIONS = {"torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__,
            "transformers": transformers.__version__, "peft": peft.__version__, "safetensors": safetensors.__version__}


# ---------------------------------------------------------------- random numbers and weights

def generator(seed, salt=""):
    digest = hashlib.sha256(f"{seed}/{salt}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:6], "little"))


def randn(seed, salt, *shape, scale=1.0):
    return torch.randn(shape, generator=generator(seed, salt)) * scale


SHARP = ("to_q.", "to_k.", "q_proj.", "k_proj.", "query.", "key.", ".qkv.")
RESIDUAL = ("to_out.0.", "out_proj.", "ff.net.2.", "fc2.", "conv2.", "proj_out.", ".projection.", "output.dense.", "output_query.dense.")


def randomise(module, seed, gains=None, sharp=1.5, residual=0.7):
    """Lively weights: attention far from uniform, norms that scale and shift, non-zero biases."""
    norms = set()
    for name, sub in module.named_modules():
        if isinstance(sub, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            norms |= {f"{name}.weight", f"{name}.bias"}
    with torch.no_grad():
        for name, p in module.named_parameters():
            dotted, noise = "." + name, randn(seed, name, *p.shape)
            gain = 1.0
            for key, value in (gains or {}).items():
                if key in dotted:
                    gain = value
            if name in norms:
                p.copy_((1 + 0.2 * noise) if name.endswith("weight") else 0.15 * noise)
            elif name.endswith("logit_scale"):
                p.fill_(gain * 2.5)
            elif "position_embedding" in name or "query_tokens" in name:
                p.copy_(0.5 * gain * noise)
            elif "embedding" in name and "patch_embedding" not in name and p.dim() != 1 and "linear" not in name:
                p.copy_(0.7 * gain * noise)
            elif "class_embedding" in name:
                p.copy_(0.7 * gain * noise)
            elif p.dim() <= 1:
                p.copy_(0.1 * gain * noise)
            else:
                fan_in = p[0].numel()
                g = sharp if any(s in dotted for s in SHARP) else residual if any(s in dotted for s in RESIDUAL) else 1.0
                p.copy_(noise * (g * gain / math.sqrt(fan_in)))
            if name.endswith("qkv.bias"):                  # EVA has a bias for q and v only
                third = p.shape[0] // 3
                p[third:2 * third] = 0
    return module


# ---------------------------------------------------------------- float64 reference, float32 deviation

class Float32Leaks(torch.utils._python_dispatch.TorchDispatchMode):
    """Lists operations that still produce float32 inside a float64 run."""
    def __init__(self):
        super().__init__()
        self.ops = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for o in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(o, torch.Tensor) and o.dtype == torch.float32 and o.numel() > 1:
                self.ops[str(func)] = self.ops.get(str(func), 0) + 1
        return out


TABLE_OPS = {"aten.arange.start", "aten.arange.default", "aten.mul.Tensor", "aten.div.Tensor", "aten.exp.default", "aten.sin.default", "aten.cos.default",
             "aten.cat.default", "aten.unsqueeze.default", "aten.slice.Tensor", "aten._to_copy.default", "aten.view.default", "aten.expand.default",
             "aten._unsafe_view.default", "aten.reshape.default", "aten.detach.default", "aten.select.int", "aten.clone.default", "aten.split.Tensor", "aten.alias.default", "aten.full.default", "aten.lift_fresh.default"}


def _to(value, dtype):
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.to(dtype)
    return value


def relative_l2(got, want):
    got, want = got.double(), want.double()
    return float((got - want).norm() / want.norm().clamp_min(1e-300))


def nudged(module, seed):
    """The same float32 network with every weight moved by at most one unit in the last place."""
    module = copy.deepcopy(module)
    with torch.no_grad():
        for name, p in module.named_parameters():
            up = torch.rand(p.shape, generator=generator(seed, "nudge" + name))
            target = torch.where(up < 0.5, torch.full_like(p, math.inf), torch.full_like(p, -math.inf))
            p.copy_(torch.where((up * 4).frac() < 0.5, torch.nextafter(p, target), p))
    return module


@contextlib.contextmanager
def plain_kernels():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
        yield


@contextlib.contextmanager
def exact_tables():
    """Sinusoid tables with frequencies and angles in float64, as a careful implementation may build them."""
    from diffusers.models import embeddings as E
    kept = E.get_timestep_embedding

    def table(timesteps, embedding_dim, flip_sin_to_cos=False, downscale_freq_shift=1, scale=1, max_period=10000):
        half = embedding_dim // 2
        f = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float64) / (half - downscale_freq_shift))
        a = scale * timesteps[:, None].double() * f[None]
        return torch.cat([a.cos(), a.sin()] if flip_sin_to_cos else [a.sin(), a.cos()], -1)
    E.get_timestep_embedding = table
    try:
        yield
    finally:
        E.get_timestep_embedding = kept


def evaluate(modules, function, inputs, seed, tables=False):
    """function(modules, inputs) -> {output: tensor}. Returns float64 outputs, float32 deviation per output, limits."""
    def run(mods, dtype):
        return {k: v.detach() for k, v in function(mods, {k: _to(v, dtype) for k, v in inputs.items()}).items()}

    double = {k: copy.deepcopy(m).double() for k, m in modules.items()}
    with Float32Leaks() as leaks:
        want = run(double, torch.float64)
    bad = {k: n for k, n in leaks.ops.items() if k not in TABLE_OPS}
    if bad:
        raise RuntimeError(f"float32 inside the float64 run: {bad}")
    assert all(v.dtype == torch.float64 for v in want.values())
    runs = [run(modules, torch.float32)]
    with plain_kernels():
        runs.append(run(modules, torch.float32))
    runs.append(run({k: nudged(m, seed) for k, m in modules.items()}, torch.float32))
    if tables:
        with exact_tables():
            runs.append(run(double, torch.float64))
    deviation = {k: max(relative_l2(r[k], v) for r in runs) for k, v in want.items()}
    detail = {k: [relative_l2(r[k], v) for r in runs] for k, v in want.items()}
    return want, deviation, detail


# ---------------------------------------------------------------- files

def write_case(folder, entry, model, dims, inputs, want, deviation, note, compile_flags=(), adapter=None, extra=None, libraries=("torch", "diffusers")):
    """One case folder. `inputs` may be None (generation has its inputs in case.json)."""
    os.makedirs(folder, exist_ok=True)
    tidy = lambda t: t.detach().contiguous().clone()
    if inputs is not None:
        save_file({k: tidy(v if not v.is_floating_point() else v.float()) for k, v in inputs.items()}, f"{folder}/inputs.safetensors")
    save_file({k: tidy(v.float()) for k, v in want.items()}, f"{folder}/expected.safetensors")
    case = {"entry": entry, "model": model, "dims": dims, "compile_flags": list(compile_flags), "adapter": adapter}
    case.update(extra or {})
    case["rel_l2_torch_f32"] = {k: float(f"{x:.4g}") for k, x in deviation.items()}
    case["max_rel_l2"] = {k: max(float(f"{2 * x:.4g}"), 1e-6) for k, x in deviation.items()}
    case["made_with"] = {k: VERSIONS[k] for k in libraries + ("safetensors",)}
    case["note"] = note
    with open(f"{folder}/case.json", "w") as f:
        json.dump(case, f, indent=1)
        f.write("\n")
    worst = max(deviation.items(), key=lambda kv: kv[1])
    rms = {k: float(v.double().pow(2).mean().sqrt()) for k, v in want.items()}
    small = {k: f"{v:.3g}" for k, v in list(rms.items())[:6]}
    print(f"{os.path.basename(folder):34s} {entry:28s} worst f32 {worst[1]:.2e} ({worst[0][-40:]})  rms {small}", flush=True)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1, ensure_ascii=False)
        f.write("\n")


def folder_bytes(folder):
    return sum(os.path.getsize(os.path.join(d, n)) for d, _, names in os.walk(folder) for n in names)
