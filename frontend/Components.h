// Checkpoint folders as the elaborator sees them: a config, the tensors' headers, the files.
#pragma once

#include "frontend/Value.h"
#include "runtime/formats/Checkpoint.h"
#include "runtime/formats/ModelConfig.h"

#include <optional>
#include <set>

namespace hb {
class DiagnosticSink;
}

namespace hb::frontend {

/// One scope of parameters. Without weights (checking a program alone) parameters are taken as declared, in f32.
struct Component {
  std::string scope;     ///< name of the scope in nn.param
  std::string folder;    ///< absolute
  std::string weights;   ///< folder or file to open; empty without weights
  std::string className; ///< of the config, may be empty
  std::string configName;///< the config's path, for messages
  RecordPtr config;
  std::unique_ptr<Checkpoint> checkpoint; ///< opened at the first look
  /// Tensors that parameters of this scope ask for, and what may be left over.
  std::set<const CheckpointTensor *> used;
  std::set<std::string> checkedKeys;
  std::vector<std::string> ignored;
  bool instantiated = false;

  bool hasWeights() const { return !weights.empty(); }
  /// Opens the headers when needed. Throws hb::Error (HB0210 – HB0225). Only with hasWeights().
  Checkpoint &headers();
};

/// A record from JSON. Every scalar remembers its place in the file; null becomes none. Integers beyond 64 bits become floats.
Value fromJson(const nlohmann::json &json, Component *component, const std::string &path);

/// `*` matches any run of characters; everything else itself.
bool matchesPattern(std::string_view pattern, std::string_view text);

/// Reports every parameter problem of a component: leftovers here, the others where parameters are bound.
void reportLeftovers(Component &component, DiagnosticSink &sink);

} // namespace hb::frontend
