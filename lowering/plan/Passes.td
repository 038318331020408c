// Passes of the plan phase.
#ifndef HB_PLAN_PASSES
#define HB_PLAN_PASSES

include "mlir/Pass/PassBase.td"

def HbMakePlan : Pass<"hb-make-plan", "::mlir::ModuleOp"> {
  let summary = "turns functions of launches into programs on one arena";
  let description = [{
    The order of commands is the order of the function. Every value gets a place: results of a function are computed right
    in its outputs, values that change nothing but shape share their source's place, a result takes the place of an operand
    that dies where the kernel allows it, and everything else gets an arena offset by best fit on lifetimes. Values that
    a loop reads from outside live through the whole loop; carried values have fixed places and are copied there at the
    loop's start and at the end of its body.

    Weights and constants are collected in the module attributes `plan.weights` and `plan.constants`. Launches and copies
    carry the numbers of the values they read and write (`values`), which is all that hb-verify-plan needs.

    ```mlir
    // Before.
    kernel.def @map_0(%x: tensor<8xf32>) -> tensor<8xf32> attributes {flops = 8 : i64, inplace = [[0, 0]]} {
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
    // After.
    module attributes {plan.weights = []} {
      kernel.def @map_0(%x: tensor<8xf32>) -> tensor<8xf32> attributes {flops = 8 : i64, inplace = [[0, 0]]} {
        %y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
        ^bb0(%a: f32):
          %b = arith.addf %a, %a : f32
          kernel.yield %b : f32
        }
        kernel.return %y : tensor<8xf32>
      }
      plan.program @f inputs [{name = "input0", type = tensor<8xf32>} ] outputs [{name = "output0", type = tensor<8xf32>} ] arena 128 lower_bound 128
          attributes {flops = 16 : i64, largest = [{bytes = 64 : i64, name = "map_0", source = "…"} ], launches = 2 : i64, ops = 0 : i64} {
        plan.launch @map_0 [#plan.input<0>, #plan.arena<0, 32>] {values = array<i64: 0, 1>}
        plan.launch @map_0 [#plan.arena<0, 32>, #plan.output<0>] {values = array<i64: 1, 2>}
      }
    }
    ```
  }];
  let dependentDialects = ["::hb::plan::PlanDialect"];
}

def HbVerifyPlan : Pass<"hb-verify-plan", "::mlir::ModuleOp"> {
  let summary = "replays programs on an abstract memory: every read must find the value it means";
  let description = [{
    Knows nothing of how offsets were chosen. Every byte range remembers which value was written to it last; a read of
    another value, or of one that is partly overwritten, is an error, as is a result that overlaps an operand without the
    kernel's `inplace` saying so. Loop bodies are replayed twice, which finds what a second iteration would miss.

    ```mlir
    // Before.
    kernel.def @copy(%x: tensor<16xf32>) -> tensor<16xf32> {
      %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
      ^bb0(%a: f32):
        kernel.yield %a : f32
      }
      kernel.return %y : tensor<16xf32>
    }
    plan.program @f inputs [{name = "x", type = tensor<16xf32>} ] outputs [{name = "y", type = tensor<16xf32>} ] arena 128 lower_bound 128 {
      plan.launch @copy [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 1>}
      plan.launch @copy [#plan.input<0>, #plan.arena<0, 64>] {values = array<i64: 0, 2>}
      plan.launch @copy [#plan.arena<0, 64>, #plan.output<0>] {values = array<i64: 1, 3>}
    }
    // Error.
    // HB0821: expected binding 0 to hold value 1; found other bytes in its place
    ```
  }];
}

#endif // HB_PLAN_PASSES
