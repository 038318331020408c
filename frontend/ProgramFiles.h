// The files a program is made of: those inside the compiler, and those on disk.
#pragma once

#include "frontend/Ast.h"
#include "frontend/Diagnostic.h"

#include <map>

namespace hb {

/// A model file compiled into the binary; `path` is relative to models/, without `.hb` (`sdxl/unet`).
struct EmbeddedFile {
  std::string_view path, text;
};
const EmbeddedFile *embeddedFilesBegin();
const EmbeddedFile *embeddedFilesEnd();

/// Loads and parses files once. Owns their text and trees, which every span and every elaborated value points into.
class ProgramFiles {
public:
  explicit ProgramFiles(DiagnosticSink &sink) : sink_(sink) {}

  /// A file on disk. HB0902 when it cannot be read.
  const ast::File *open(const std::string &path);
  /// An embedded file by its path; null when there is none.
  const ast::File *embedded(const std::string &path);
  /// What an import of `from` means: beside the importing file first, then from the root of the embedded files. Reports HB0112.
  const ast::File *import(const ast::File &from, const ast::Import &import);
  /// Text given directly, for tests; `name` decides where its imports are looked for.
  const ast::File *add(const std::string &name, std::string text);
  /// Parses every embedded file: entries are found by reading them all (a few milliseconds).
  std::vector<const ast::File *> allEmbedded();

private:
  struct Loaded {
    std::shared_ptr<SourceFile> source;
    std::unique_ptr<ast::File> tree;
    std::string folder; ///< on disk, or relative to the embedded root
    bool embedded = false;
  };
  const ast::File *load(const std::string &key, const std::string &name, std::string text, std::string folder, bool embedded);

  DiagnosticSink &sink_;
  std::map<std::string, Loaded> files_;
  std::map<const ast::File *, const Loaded *> byTree_;
};

} // namespace hb
