// The program as text, and --dump-intermediates: the module after every phase, and a page that leads to them.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace hb {

/// The whole module as text that hb-opt reads back: every location, every constant.
std::string programText(mlir::ModuleOp module);

/// Writes `<number>-<phase>.mlir` into a folder and keeps its index.html current. Does nothing when the folder's name is empty.
class PhaseDump {
public:
  explicit PhaseDump(std::string folder);
  /// What follows is of this target: its name goes into the names of the files. Empty where there is one target only.
  void begin(const std::string &target);
  /// Throws HB0901 when a file cannot be written.
  void write(const std::string &phase, mlir::ModuleOp module);

private:
  struct Row {
    std::string phase, file;
    size_t operations, bytes;
  };
  void writeIndex() const;

  std::string folder_, target_;
  std::vector<Row> rows_;
};

} // namespace hb
