// Any bytes as a module file: an Error, or a module whose every table can be walked and whose blobs lie in the file.
#include "runtime/base/Error.h"
#include "runtime/module/Module.h"
#include "tests/fuzz/MemoryFile.h"

#include <cstdlib>

namespace {

/// What the executor relies on without looking again: indices inside the tables.
void walk(const hb::Module &module, const hb::Program &program, const std::vector<hb::Command> &commands) {
  for (const hb::Command &command : commands) {
    if (command.kind == hb::Command::Kind::Launch && command.kernel >= module.kernels.size())
      std::abort();
    for (const hb::Binding &binding : command.bindings) {
      const uint64_t limits[] = {program.arenaBytes, module.weights.size(), module.constants().size(), program.inputs.size(), program.outputs.size()};
      if (binding.value >= limits[static_cast<int>(binding.kind)])
        std::abort();
    }
    walk(module, program, command.body);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  hb::test::MemoryFile file(data, size);
  try {
    hb::Module module = hb::Module::open(file.path(), hb::chooseAnyTarget);
    unsigned sum = 0; // reading the ends of each blob makes the sanitizer look at them
    for (const hb::CodeVariant &code : module.code)
      if (auto bytes = module.blob(code.offset, code.size); !bytes.empty())
        sum += static_cast<unsigned>(bytes.front()) + static_cast<unsigned>(bytes.back());
    if (auto bytes = module.constants(); !bytes.empty())
      sum += static_cast<unsigned>(bytes.back());
    static volatile unsigned sink;
    sink = sum;
    for (const hb::Program &program : module.programs)
      walk(module, program, program.commands);
  } catch (const hb::Error &) {
  }
  return 0;
}
