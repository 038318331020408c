// The plan dialect: static execution. See docs/rationale/plan.md.
#ifndef HB_PLAN_DIALECT
#define HB_PLAN_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::hb::plan";
  let summary = "Programs as lists of launches on one arena, with every offset decided";
  let description = [{
    No virtual machine: a program is a list of commands and counted loops. Every operand of a command is a binding: a place
    in the arena, a weight, a constant of the module, an input or an output of the program.
  }];
  let useDefaultAttributePrinterParser = 1;
}

class Plan_Attr<string name, string attrMnemonic> : AttrDef<Plan_Dialect, name> { let mnemonic = attrMnemonic; }

def Plan_ArenaAttr : Plan_Attr<"Arena", "arena"> {
  let summary = "bytes [offset, offset + size) of the program's arena";
  let parameters = (ins "int64_t":$offset, "int64_t":$size);
  let assemblyFormat = "`<` $offset `,` $size `>`";
}
def Plan_WeightAttr : Plan_Attr<"Weight", "weight"> {
  let summary = "entry number of the module's weight table";
  let parameters = (ins "int64_t":$index);
  let assemblyFormat = "`<` $index `>`";
}
def Plan_ConstantAttr : Plan_Attr<"Constant", "constant"> {
  let summary = "bytes [offset, offset + size) of the module's constant blob";
  let parameters = (ins "int64_t":$offset, "int64_t":$size);
  let assemblyFormat = "`<` $offset `,` $size `>`";
}
def Plan_InputAttr : Plan_Attr<"Input", "input"> {
  let summary = "a program input";
  let parameters = (ins "int64_t":$index);
  let assemblyFormat = "`<` $index `>`";
}
def Plan_OutputAttr : Plan_Attr<"Output", "output"> {
  let summary = "a program output";
  let parameters = (ins "int64_t":$index);
  let assemblyFormat = "`<` $index `>`";
}

#endif // HB_PLAN_DIALECT
