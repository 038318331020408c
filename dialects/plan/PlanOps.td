// Ops of the plan dialect.
#ifndef HB_PLAN_OPS
#define HB_PLAN_OPS

include "dialects/plan/PlanDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_ProgramOp : Plan_Op<"program", [IsolatedFromAbove, Symbol, NoTerminator, SingleBlock]> {
  let summary = "the commands of one entry and the size of its arena";
  let description = [{
    `inputs` and `outputs` are arrays of dictionaries {name, type[, range]}; `lower_bound` is the largest sum of live bytes
    at any command, `arena_bytes` what the offsets need.

    ```mlir
    plan.program @double inputs [ {name = "x", type = tensor<8xf32>} ] outputs [ {name = "y", type = tensor<8xf32>} ] arena 0 lower_bound 0 {
      plan.launch @map_0 [#plan.input<0>, #plan.output<0>]
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ArrayAttr:$inputs, ArrayAttr:$outputs, I64Attr:$arena_bytes, I64Attr:$lower_bound);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `inputs` $inputs `outputs` $outputs `arena` $arena_bytes `lower_bound` $lower_bound attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Plan_LaunchOp : Plan_Op<"launch"> {
  let summary = "runs a kernel; bindings are its operands, then its results";
  let description = [{
    ```mlir
    plan.launch @map_0 [#plan.arena<0, 1024>, #plan.arena<1024, 1024>]
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, ArrayAttr:$bindings);
  let assemblyFormat = "$kernel $bindings attr-dict";
  let hasVerifier = 1;
}

def Plan_CopyOp : Plan_Op<"copy"> {
  let summary = "copies bytes between two bindings of equal size";
  let description = [{
    ```mlir
    plan.copy #plan.arena<0, 64> -> #plan.output<1> bytes 64
    ```
  }];
  let arguments = (ins AnyAttr:$source, AnyAttr:$target, I64Attr:$bytes);
  let assemblyFormat = "$source `->` $target `bytes` $bytes attr-dict";
  let hasVerifier = 1;
}

def Plan_RepeatOp : Plan_Op<"repeat", [NoTerminator, SingleBlock]> {
  let summary = "runs its commands as often as a scalar i64 says; writes the iteration to `counter` first";
  let description = [{
    ```mlir
    plan.repeat count #plan.input<1> max 1000 counter #plan.arena<0, 8> {
      plan.launch @step [#plan.arena<64, 64>, #plan.arena<0, 8>, #plan.arena<64, 64>]
    }
    ```
  }];
  let arguments = (ins OptionalAttr<AnyAttr>:$count, I64Attr:$max_trip_count, AnyAttr:$counter);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`count` $count^)? `max` $max_trip_count `counter` $counter attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

#endif // HB_PLAN_OPS
