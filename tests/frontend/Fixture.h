// Programs with configs and checkpoints in a temporary folder.
#pragma once

#include "frontend/Frontend.h"
#include "runtime/formats/Safetensors.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace hb {

/// A tensor of a test checkpoint; contents are zero.
struct Stored {
  std::string name;
  std::vector<int64_t> shape;
  DType dtype = DType::F32;
};

/// A folder that goes away with the test.
class Folder {
public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hb-frontend-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string &name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  void text(const std::string &name, const std::string &contents) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << contents;
  }
  void weights(const std::string &name, const std::vector<Stored> &tensors) const {
    std::vector<TensorView> views;
    std::vector<std::vector<std::byte>> data;
    for (const Stored &tensor : tensors) {
      size_t count = dtypeSize(tensor.dtype);
      for (int64_t extent : tensor.shape)
        count *= extent;
      data.emplace_back(count);
      views.push_back({tensor.name, tensor.dtype, tensor.shape, data.back().data()});
    }
    writeSafetensors(path(name), views);
  }

private:
  std::string path_;
};

/// What an import gave: the module's text (with `locations`, their text too), or the messages without folder names.
struct Imported {
  std::string module, messages;
  ExitCode code = ExitCode::Ok;
};

inline Imported import(const ImportOptions &options, const Folder &folder, bool locations = false) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  Imported result;
  try {
    if (auto module = importModel(context, options, sink)) {
      llvm::raw_string_ostream stream(result.module);
      mlir::OpPrintingFlags flags;
      if (locations)
        flags.enableDebugInfo(true, false);
      module->print(stream, flags);
    }
    result.messages = sink.render();
    result.code = sink.exitCode();
  } catch (const Error &error) {
    result.messages = error.what();
    result.code = error.exitCode();
  }
  for (std::string *text : {&result.module, &result.messages})
    for (size_t at; (at = text->find(folder.path() + "/")) != std::string::npos;)
      text->erase(at, folder.path().size() + 1);
  // The printer leaves two spaces after the names of some ops; tests should not care.
  for (size_t at; (at = result.module.find("  ")) != std::string::npos;)
    result.module.erase(at, 1);
  return result;
}

/// Elaborates a program over a config, without weights.
inline Imported elaborate(const std::string &program, const std::string &config = "{}", ImportOptions options = {}) {
  Folder folder;
  folder.text("t.hb", program);
  folder.text("config.json", config);
  options.model = folder.path("t.hb");
  options.configPath = folder.path("config.json");
  return import(options, folder);
}

inline bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

} // namespace hb
