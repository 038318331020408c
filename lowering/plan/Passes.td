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
  }];
  let dependentDialects = ["::hb::plan::PlanDialect"];
}

def HbVerifyPlan : Pass<"hb-verify-plan", "::mlir::ModuleOp"> {
  let summary = "replays programs on an abstract memory: every read must find the value it means";
  let description = [{
    Knows nothing of how offsets were chosen. Every byte range remembers which value was written to it last; a read of
    another value, or of one that is partly overwritten, is an error, as is a result that overlaps an operand without the
    kernel's `inplace` saying so. Loop bodies are replayed twice, which finds what a second iteration would miss.
  }];
}

#endif // HB_PLAN_PASSES
