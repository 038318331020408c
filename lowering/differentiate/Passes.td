// Passes of the differentiate phase, in the order in which buildDifferentiatePhase runs them.
#ifndef HB_DIFFERENTIATE_PASSES
#define HB_DIFFERENTIATE_PASSES

include "mlir/Pass/PassBase.td"

def HbDifferentiate : Pass<"hb-differentiate", "::mlir::func::FuncOp"> {
  let summary = "replaces every grad.vjp by the ops that compute it (reverse mode)";
  let description = [{
    A value is active when it depends on what is differentiated for and what is differentiated depends on it. The active ops are visited
    in reverse; each is asked for its vector-Jacobian product through `DifferentiableOpInterface`. Nothing else is computed: no gradient of a
    frozen weight, nothing in front of the first value that is differentiated for. Several gradients of one value are added in the order in
    which they arise; those of slices that tile an axis are put side by side instead. Marks (`grad.stop`, `grad.checkpoint`) disappear.

    ```mlir
    // Before.
    func.func @f(%x: tensor<4xf32>, %dy: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
      %y = nn.unary silu %x : tensor<4xf32>
      %dx = grad.vjp of(%y) cotangents(%dy) wrt(%x) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
      return %y, %dx : tensor<4xf32>, tensor<4xf32>
    }
    // After.
    func.func @f(%x: tensor<4xf32>, %dy: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
      %y = nn.unary silu %x : tensor<4xf32>
      %dx = nn.unary_vjp silu %x, %dy : tensor<4xf32>
      return %y, %dx : tensor<4xf32>, tensor<4xf32>
    }
    ```
  }];
  let dependentDialects = ["::hb::nn::NnDialect"];
  let statistics = [Statistic<"active", "active-ops", "ops that a gradient passes through">];
}

#endif // HB_DIFFERENTIATE_PASSES
