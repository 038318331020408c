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
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def HbFuseEpilogues : Pass<"hb-fuse-epilogues", "::mlir::func::FuncOp"> {
  let summary = "absorbs element-wise work into the kernels that produce or consume it";
  let description = [{
    Maps are composed with the maps that feed them; activations, residuals, shifts and scales move into the epilogue of the
    contraction or the normalisation that produces their operand; zero padding behind a group norm becomes its `pad`.
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def HbSelectWinograd : Pass<"hb-select-winograd", "::mlir::func::FuncOp"> {
  let summary = "computes 3x3 convolutions of enough channels by Winograd's method";
  let description = [{
    Not part of the default phase. A stride-1 3x3 contraction of even output size becomes input transform, one product per
    plane, and output transform; the epilogue moves to the output transform.
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect", "::mlir::arith::ArithDialect"];
}

def HbOutlineKernels : Pass<"hb-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "moves every kernel op into a kernel.def; equal ones share one";
  let description = [{
    The functions keep launches, views, weights, constants and loops. Each `kernel.def` gets `flops`, `bytes`, `source`, and
    `inplace` where a result may take the place of an operand.
  }];
  let dependentDialects = ["::hb::kernel::KernelDialect"];
}

#endif // HB_KERNELS_PASSES
