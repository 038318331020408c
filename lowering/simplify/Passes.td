// Passes of the simplify phase, in the order in which buildSimplifyPhase runs them.
#ifndef HB_SIMPLIFY_PASSES
#define HB_SIMPLIFY_PASSES

include "mlir/Pass/PassBase.td"

def HbInlineCalls : Pass<"hb-inline-calls", "::mlir::ModuleOp"> {
  let summary = "puts the body of every called function in the place of its call";
  let description = [{
    Each entry becomes one function, so that work can move across the network's borders (cross-attention keys out of the
    denoising loop) and one plan covers it. Functions that were only called are erased.

    ```mlir
    // Before.
    func.func private @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = nn.unary relu %x : tensor<4xf32>
      return %y : tensor<4xf32>
    }
    func.func @entry(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = call @f(%x) : (tensor<4xf32>) -> tensor<4xf32>
      return %y : tensor<4xf32>
    }
    // After.
    func.func @entry(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = nn.unary relu %x : tensor<4xf32>
      return %y : tensor<4xf32>
    }
    ```
  }];
  let statistics = [Statistic<"inlined", "calls-inlined", "calls replaced by the callee's body">];
}

def HbChannelsLast : Pass<"hb-channels-last", "::mlir::func::FuncOp"> {
  let summary = "stores pictures with their channels in the last axis";
  let description = [{
    Before: `nn.conv2d`, `nn.group_norm`, `nn.resize_nearest` and `nn.adaptive_avg_pool` are `nchw`, as networks are written.
    After: they are `nhwc`, and transposes stand only where a picture enters or leaves the function (and where a network
    itself asks for another order of axes that nothing cancels).

    Three steps. (1) Each such op is wrapped in a transpose to `nhwc` and one back. (2) Transposes sink through elementwise
    ops, concat, slice, broadcast, reduce, reshape and loop-carried values, and cancel where two meet. (3) Transposes to
    `nhwc` that met none rise to the function's inputs. A transpose that only moves axes of extent 1 becomes a reshape.

    ```mlir
    // Before.
    func.func @block(%x: tensor<1x4x8x8xf32>, %w: tensor<16x4x3x3xf16>) -> tensor<1x16x8x8xf32> {
      %y = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<16x4x3x3xf16>) -> tensor<1x16x8x8xf32>
      %z = nn.unary silu %y : tensor<1x16x8x8xf32>
      return %z : tensor<1x16x8x8xf32>
    }
    // After.
    func.func @block(%x: tensor<1x4x8x8xf32>, %w: tensor<16x4x3x3xf16>) -> tensor<1x16x8x8xf32> {
      %0 = nn.transpose %x {permutation = array<i64: 0, 2, 3, 1>} : tensor<1x4x8x8xf32> -> tensor<1x8x8x4xf32>
      %1 = nn.conv2d %0, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<16x4x3x3xf16>) -> tensor<1x8x8x16xf32>
      %2 = nn.unary silu %1 : tensor<1x8x8x16xf32>
      %z = nn.transpose %2 {permutation = array<i64: 0, 3, 1, 2>} : tensor<1x8x8x16xf32> -> tensor<1x16x8x8xf32>
      return %z : tensor<1x16x8x8xf32>
    }
    ```
  }];
  let statistics = [Statistic<"remaining", "transposes-remaining", "nn.transpose ops left in the function">];
}

def HbHoistLoopInvariant : Pass<"hb-hoist-loop-invariant", "::mlir::func::FuncOp"> {
  let summary = "moves work that is the same in every iteration out of nn.repeat";
  let description = [{
    Weights, the encoding of the prompt's keys and values for cross-attention, embeddings of sizes: whatever does not depend
    on the iteration or a carried value is computed once, before the loop.

    ```mlir
    // Before.
    func.func @steps(%x: tensor<2x8xf32>, %context: tensor<2x8xf32>, %w: tensor<8x8xf16>) -> tensor<2x8xf32> {
      %r = nn.repeat max 4 inits(%x) : (tensor<2x8xf32>) -> tensor<2x8xf32> {
      ^bb0(%i: tensor<i64>, %c: tensor<2x8xf32>):
        %k = nn.linear %context, %w : (tensor<2x8xf32>, tensor<8x8xf16>) -> tensor<2x8xf32>
        %s = nn.binary add %c, %k : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
        nn.yield %s : tensor<2x8xf32>
      }
      return %r : tensor<2x8xf32>
    }
    // After.
    func.func @steps(%x: tensor<2x8xf32>, %context: tensor<2x8xf32>, %w: tensor<8x8xf16>) -> tensor<2x8xf32> {
      %k = nn.linear %context, %w : (tensor<2x8xf32>, tensor<8x8xf16>) -> tensor<2x8xf32>
      %r = nn.repeat max 4 inits(%x) : (tensor<2x8xf32>) -> tensor<2x8xf32> {
      ^bb0(%i: tensor<i64>, %c: tensor<2x8xf32>):
        %s = nn.binary add %c, %k : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
        nn.yield %s : tensor<2x8xf32>
      }
      return %r : tensor<2x8xf32>
    }
    ```
  }];
  let statistics = [Statistic<"hoisted", "ops-hoisted", "ops moved out of loops">];
}

def HbSimplify : Pass<"hb-simplify", "::mlir::ModuleOp"> {
  let summary = "canonical forms, constant folding, common subexpressions, dead values: to a fixpoint, once";
  let description = [{
    Patterns: transposes, reshapes, slices, casts and broadcasts compose; a slice of a concat is a slice of the part it comes
    from; a broadcast disappears into a `nn.binary` that broadcasts by itself; x + 0, x − 0, x · 1 and x / 1 are x; reductions
    over axes of extent 1 are reshapes; `nn.repeat` loses values that nobody reads or that never change. An op whose operands
    are constants is evaluated when its result has at most `fold-limit` elements; the result is rounded to its type after
    each op, as the network would. Then equal ops merge, and the patterns run again while anything changed. Parameters keep
    their stored type and are never folded. Functions that are private and not called are erased.

    ```mlir
    // Before.
    func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %a = nn.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
      %b = nn.transpose %a {permutation = array<i64: 1, 0>} : tensor<8x4xf32> -> tensor<4x8xf32>
      %c = nn.unary silu %b : tensor<4x8xf32>
      return %c : tensor<4x8xf32>
    }
    // After.
    func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
      %c = nn.unary silu %x : tensor<4x8xf32>
      return %c : tensor<4x8xf32>
    }
    ```
  }];
  let options = [Option<"foldLimit", "fold-limit", "int64_t", "65536", "largest result of a folded op, in elements">];
  let statistics = [Statistic<"rounds", "rounds", "rounds of patterns and common subexpressions">];
}

#endif // HB_SIMPLIFY_PASSES
