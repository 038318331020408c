// From LLVM IR to what a back end prints: the part of the way to machine code that every target shares.
#pragma once

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/CodeGen.h"
#include <string>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace hb::emit {

/// Runs a pipeline in opt's syntax, without vectorising: kernels arrive vectorised. False with a message in `error`.
bool optimise(llvm::Module &module, llvm::TargetMachine &machine, llvm::StringRef pipeline, std::string &error);

/// What the machine's back end makes of the module. False when it has no files of that type.
bool printCode(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type, llvm::SmallVectorImpl<char> &bytes);

} // namespace hb::emit
