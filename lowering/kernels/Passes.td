// Passes of the kernels phase, in the order in which buildKernelsPhase runs them.
#ifndef HB_KERNELS_PASSES
#define HB_KERNELS_PASSES

include "mlir/Pass/PassBase.td"

def HbFormKernels : Pass<"hb-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "turns nn ops into kernel ops, one by one";
  let description = [{
    Every nn op except `nn.repeat` and `nn.yield` becomes kernel ops: contractions read packed weights, everything that only
    moves or maps elements becomes a `kernel.map` with an affine map per operand, reshapes become views. Parameters become
    `kernel.weight` in the layout their reader wants. Nothing is fused yet.

    ```mlir
    // Before.
    func.func @f(%x: tensor<2x32xf32>) -> tensor<2x16xf32> {
      %w = nn.param "unet" "to_q.weight" : tensor<16x32xf16>
      %y = nn.linear %x, %w : (tensor<2x32xf32>, tensor<16x32xf16>) -> tensor<2x16xf32>
      return %y : tensor<2x16xf32>
    }
    // After.
    func.func @f(%x: tensor<2x32xf32>) -> tensor<2x16xf32> attributes {kernel.ops = 1 : i64} {
      %w = kernel.weight [#kernel.source<"unet", "to_q.weight", tensor<16x32xf16>>] : tensor<16x32xf16, #kernel.packed<panel16>>
      %y = kernel.contract linear a(%x : tensor<2x32xf32>) weight(%w : tensor<16x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<2x16xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      return %y : tensor<2x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def HbFuseEpilogues : Pass<"hb-fuse-epilogues", "::mlir::func::FuncOp"> {
  let summary = "absorbs element-wise work into the kernels that produce or consume it";
  let description = [{
    Maps are composed with the maps that feed them; activations, residuals, shifts and scales move into the epilogue of the
    contraction or the normalisation that produces their operand; zero padding behind a group norm becomes its `pad`.

    ```mlir
    // Before.
    func.func @f(%x: tensor<2x32xf32>, %w: tensor<16x32xf16, #kernel.packed<panel16>>, %r: tensor<2x16xf32>) -> tensor<2x16xf32> {
      %y = kernel.contract linear a(%x : tensor<2x32xf32>) weight(%w : tensor<16x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<2x16xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      %z = kernel.map (%y, %r : tensor<2x16xf32>, tensor<2x16xf32>) [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>] -> tensor<2x16xf32> {
      ^bb0(%a: f32, %b: f32):
        %s = arith.addf %a, %b : f32
        kernel.yield %s : f32
      }
      return %z : tensor<2x16xf32>
    }
    // After.
    func.func @f(%x: tensor<2x32xf32>, %w: tensor<16x32xf16, #kernel.packed<panel16>>, %r: tensor<2x16xf32>) -> tensor<2x16xf32> {
      %z = kernel.contract linear a(%x : tensor<2x32xf32>) weight(%w : tensor<16x32xf16, #kernel.packed<panel16>>)
           extras(%r : tensor<2x16xf32>) {maps = [affine_map<(d0, d1) -> (d0, d1)>]} -> tensor<2x16xf32> {
      ^bb0(%acc: f32, %b: f32):
        %s = arith.addf %acc, %b : f32
        kernel.yield %s : f32
      }
      return %z : tensor<2x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def HbFusePrologues : Pass<"hb-fuse-prologues", "::mlir::func::FuncOp"> {
  let summary = "normalises rows where a contraction reads them";
  let description = [{
    A layer norm, or the application of a group norm, that only one linear contraction reads becomes that contraction's prologue:
    the normalised tensor is never stored, and one launch is saved. What follows the norm element by element moves along.

    Each thread that works on a block of rows prepares them for itself. Where a product is small that costs more than it saves on
    many threads, hence `least-products`.

    ```mlir
    // Before.
    func.func @f(%x: tensor<4096x32xf32>, %g: tensor<32xf32>, %b: tensor<32xf32>, %w: tensor<512x32xf16, #kernel.packed<panel16>>) -> tensor<4096x512xf32> {
      %n = kernel.normalize layer %x weight(%g, %b : tensor<32xf32>, tensor<32xf32>) {eps = 1.0e-5 : f64} : tensor<4096x32xf32> -> tensor<4096x32xf32> {
      ^bb0(%v: f32):
        kernel.yield %v : f32
      }
      %y = kernel.contract linear a(%n : tensor<4096x32xf32>) weight(%w : tensor<512x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<4096x512xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      return %y : tensor<4096x512xf32>
    }
    // After.
    func.func @f(%x: tensor<4096x32xf32>, %g: tensor<32xf32>, %b: tensor<32xf32>, %w: tensor<512x32xf16, #kernel.packed<panel16>>) -> tensor<4096x512xf32> {
      %y = kernel.contract linear a(%x : tensor<4096x32xf32>) norm(layer weight %g, %b : tensor<32xf32>, tensor<32xf32>)
           weight(%w : tensor<512x32xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<4096x512xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      return %y : tensor<4096x512xf32>
    }
    ```
  }];
  let options = [
    Option<"leastProducts", "least-products", "int64_t", "1 << 20", "Rows times columns of the product from which a prologue pays">,
    Option<"mostWidth", "most-width", "int64_t", "4096", "Elements of a row up to which a block of rows fits near a processor">,
  ];
  let statistics = [Statistic<"fused", "norms-fused", "kernel.normalize ops that became prologues">];
  let dependentDialects = ["::hb::kernel::KernelDialect"];
}

def HbSelectRecompute : Pass<"hb-select-recompute", "::mlir::func::FuncOp"> {
  let summary = "under a memory budget, computes forward values again for the backward part instead of keeping them";
  let description = [{
    Without a budget (the option, or `nn.memory_budget` of the module) nothing changes, nor where everything may be kept. Else the forward part is cut
    into segments at places where little is alive; in front of the gradient of a segment, what it reads is computed again from what was kept,
    each kernel as late as possible, by copies that no other segment reads. Which values of a segment to keep is a minimum cut: keeping costs bytes times
    a price, computing again costs the kernel's floating point operations and the bytes it moves. Sizes of segments and prices are tried until the cheapest choice whose
    largest sum of live bytes fits is found. If none fits, the one that needs least is taken and the function says so (`kernel.over_budget`, in bytes).

    A copy is the same kernel on the same bytes, so results do not change by a bit. The choice is made here, where kernels and the values
    between them are known exactly, behind the last elimination of common subexpressions, which would merge copies with their originals; and in front of
    `hb-select-winograd`, which treats both alike. What belongs to the backward part is known by locations (`fused<"backward">`, written by hb-differentiate);
    copies are marked `fused<"recompute">`.

    ```mlir
    // Before.
    module attributes {nn.memory_budget = 128 : i64} {
      func.func @f(%x: tensor<16xf32>, %dz: tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) {
        %h = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.addf %a, %a : f32
          kernel.yield %b : f32
        }
        %u = kernel.map (%h : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.mulf %a, %a : f32
          kernel.yield %b : f32
        }
        %v = kernel.map (%u : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.addf %a, %a : f32
          kernel.yield %b : f32
        }
        %z = kernel.map (%v : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.mulf %a, %a : f32
          kernel.yield %b : f32
        }
        %dx = kernel.map (%h, %dz : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32, %b: f32):
          %c = arith.mulf %a, %b : f32
          kernel.yield %c : f32
        } loc(fused<"backward">["f"])
        return %z, %dx : tensor<16xf32>, tensor<16xf32>
      }
    }
    // After.
    module attributes {nn.memory_budget = 128 : i64} {
      func.func @f(%x: tensor<16xf32>, %dz: tensor<16xf32>) -> (tensor<16xf32>, tensor<16xf32>) attributes {kernel.recomputed = [{bytes = 64 : i64, flops = 16 : i64, from = "map", launches = 1 : i64, source = "…", to = "map"} ]} {
        %h = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.addf %a, %a : f32
          kernel.yield %b : f32
        }
        %u = kernel.map (%h : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.mulf %a, %a : f32
          kernel.yield %b : f32
        }
        %v = kernel.map (%u : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.addf %a, %a : f32
          kernel.yield %b : f32
        }
        %z = kernel.map (%v : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.mulf %a, %a : f32
          kernel.yield %b : f32
        }
        %again = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (15 - d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32):
          %b = arith.addf %a, %a : f32
          kernel.yield %b : f32
        }
        %dx = kernel.map (%again, %dz : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
        ^bb0(%a: f32, %b: f32):
          %c = arith.mulf %a, %b : f32
          kernel.yield %c : f32
        }
        return %z, %dx : tensor<16xf32>, tensor<16xf32>
      }
    }
    ```
  }];
  let options = [Option<"budget", "budget", "int64_t", "0", "bytes of arena and packed weights together; 0: what the module says">];
  let statistics = [Statistic<"recomputed", "recomputed", "kernels that are launched once more">];
  let dependentDialects = ["::hb::kernel::KernelDialect"];
}

def HbSelectWinograd : Pass<"hb-select-winograd", "::mlir::func::FuncOp"> {
  let summary = "computes 3x3 convolutions of enough channels by Winograd's method";
  let description = [{
    A stride-1 3x3 contraction of even output size becomes input transform, one product per plane, and output transform; the
    epilogue moves to the output transform. Tiles of 4x2 are taken with `large-tiles` and in modules with `nn.math = "fast"`.
    A weight that an adjoint product reads too keeps one form for both directions: planes contain those of the reversed taps. Where its pictures
    have few tiles, it stays direct.
    Large pictures go in slabs of rows of tiles, one after the other through the same planes: these stay small in memory and in the caches.

    ```mlir
    // Before.
    func.func @f(%x: tensor<1x10x10x64xf32>) -> tensor<1x8x8x64xf32> {
      %w = kernel.weight [#kernel.source<"unet", "conv.weight", tensor<64x64x3x3xf16>>] : tensor<64x64x3x3xf16, #kernel.packed<panel16>>
      %y = kernel.contract conv2d a(%x : tensor<1x10x10x64xf32>) weight(%w : tensor<64x64x3x3xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x8x8x64xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      return %y : tensor<1x8x8x64xf32>
    }
    // After.
    func.func @f(%x: tensor<1x10x10x64xf32>) -> tensor<1x8x8x64xf32> {
      %w = kernel.weight [#kernel.source<"unet", "conv.weight", tensor<64x64x3x3xf16>>] : tensor<64x64x3x3xf32, #kernel.packed<winograd_f2>>
      %v = kernel.winograd_input %x {m = array<i64: 2, 2>} : tensor<1x10x10x64xf32> -> tensor<16x16x64xf32>
      %p = kernel.contract planes a(%v : tensor<16x16x64xf32>) weight(%w : tensor<64x64x3x3xf32, #kernel.packed<winograd_f2>>) {maps = []} -> tensor<16x16x64xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      %y = kernel.winograd_output %p {m = array<i64: 2, 2>, maps = []} : tensor<16x16x64xf32> -> tensor<1x8x8x64xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      return %y : tensor<1x8x8x64xf32>
    }
    ```
  }];
  let options = [
    Option<"leastChannels", "least-channels", "int64_t", "64", "Channels, in and out, from which the transforms pay">,
    Option<"mostPlaneMiB", "most-plane-mib", "int64_t", "16", "Size of the planes of one slab, in MiB: larger pictures go slab by slab; 0 leaves all convolutions direct">,
    Option<"leastSharedTiles", "least-shared-tiles", "int64_t", "64", "Tiles of a picture from which a weight of both directions becomes planes">,
    Option<"largeTiles", "large-tiles", "bool", "false", "Tiles of 4x2 where they fit: fewer products, 1.7 times the rounding error of 2x2">,
  ];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect"];
}

def HbNarrowStorage : Pass<"hb-narrow-storage", "::mlir::func::FuncOp"> {
  let summary = "stores activations and weights between kernels in f16 or bf16";
  let description = [{
    Every kernel reads what is stored as f32, computes in f32 and rounds once, to nearest even, what it stores: behind its epilogue, not
    between its steps. Weights of contractions that the checkpoint stores in f32 or f64 are packed in the narrow type; those stored in 16
    bits stay as they are.

    These stay f32: the entry's inputs and outputs and the element-wise steps between them and the network (samplers, layouts), values
    that loops carry, tensors of at most two axes (one vector per sample), statistics, Winograd planes, arguments of sine and cosine,
    masks of attention, tables, biases and scales of norms, and LoRA factors. So do the activations of entries that only score (no result
    has more than two axes): their results are few numbers, in which rounding errors do not average out. The module's `nn.wide_scopes` are
    for networks whose activations exceed the type's range: what is computed with their weights, and from that, stays f32.

    ```mlir
    // Before.
    module attributes {nn.dtype = "bf16"} {
      func.func @f(%x: tensor<1x64x32xf32>, %g: tensor<32xf32>) -> tensor<1x64x16xf32> {
        %w = kernel.weight [#kernel.source<"unet", "to_q.weight", tensor<32x32xf32>>] : tensor<32x32xf32, #kernel.packed<panel16>>
        %v = kernel.weight [#kernel.source<"unet", "to_out.weight", tensor<16x32xf16>>] : tensor<16x32xf16, #kernel.packed<panel16>>
        %y = kernel.contract linear a(%x : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf32, #kernel.packed<panel16>>)
             extras(%g : tensor<32xf32>) {maps = [affine_map<(d0, d1, d2) -> (d2)>]} -> tensor<1x64x32xf32> {
        ^bb0(%acc: f32, %b: f32):
          %s = arith.addf %acc, %b : f32
          kernel.yield %s : f32
        }
        %z = kernel.contract linear a(%y : tensor<1x64x32xf32>) weight(%v : tensor<16x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x16xf32> {
        ^bb0(%acc: f32):
          kernel.yield %acc : f32
        }
        return %z : tensor<1x64x16xf32>
      }
    }
    // After.
    module attributes {nn.dtype = "bf16"} {
      func.func @f(%x: tensor<1x64x32xf32>, %g: tensor<32xf32>) -> tensor<1x64x16xf32> {
        %w = kernel.weight [#kernel.source<"unet", "to_q.weight", tensor<32x32xf32>>] : tensor<32x32xbf16, #kernel.packed<panel16>>
        %v = kernel.weight [#kernel.source<"unet", "to_out.weight", tensor<16x32xf16>>] : tensor<16x32xf16, #kernel.packed<panel16>>
        %y = kernel.contract linear a(%x : tensor<1x64x32xf32>) weight(%w : tensor<32x32xbf16, #kernel.packed<panel16>>)
             extras(%g : tensor<32xf32>) {maps = [affine_map<(d0, d1, d2) -> (d2)>]} -> tensor<1x64x32xbf16> {
        ^bb0(%acc: f32, %b: f32):
          %s = arith.addf %acc, %b : f32
          %t = arith.truncf %s : f32 to bf16
          kernel.yield %t : bf16
        }
        %z = kernel.contract linear a(%y : tensor<1x64x32xbf16>) weight(%v : tensor<16x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x16xf32> {
        ^bb0(%acc: f32):
          kernel.yield %acc : f32
        }
        return %z : tensor<1x64x16xf32>
      }
    }
    ```
  }];
  let options = [Option<"dtype", "dtype", "std::string", "", "bf16 or f16; when empty the module's nn.dtype, without which nothing is narrowed">];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect"];
}

def HbOutlineKernels : Pass<"hb-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "moves every kernel op into a kernel.def; equal ones share one";
  let description = [{
    The functions keep launches, views, weights, constants and loops. Each `kernel.def` gets `flops`, `bytes`, `source`, and
    `inplace` where a result may take the place of an operand.

    ```mlir
    // Before.
    func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> {
      %y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
      ^bb0(%a: f32):
        %b = arith.addf %a, %a : f32
        kernel.yield %b : f32
      }
      %z = kernel.map (%y : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
      ^bb0(%a: f32):
        %b = arith.addf %a, %a : f32
        kernel.yield %b : f32
      }
      return %z : tensor<8xf32>
    }
    // After.
    kernel.def @map_0(%x: tensor<8xf32>) -> tensor<8xf32> attributes {bytes = 64 : i64, flops = 8 : i64, inplace = [[0, 0]], source = "…"} {
      %y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
      ^bb0(%a: f32):
        %b = arith.addf %a, %a : f32
        kernel.yield %b : f32
      }
      kernel.return %y : tensor<8xf32>
    }
    func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> {
      %y = kernel.launch @map_0(%x) : (tensor<8xf32>) -> tensor<8xf32>
      %z = kernel.launch @map_0(%y) : (tensor<8xf32>) -> tensor<8xf32>
      return %z : tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect"];
}

#endif // HB_KERNELS_PASSES
