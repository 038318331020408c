#include "frontend/ProgramFiles.h"

#include "frontend/Parser.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <algorithm>

namespace hb {
namespace {

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

} // namespace

const ast::File *ProgramFiles::load(const std::string &key, const std::string &name, std::string text, std::string folder, bool embedded) {
  Loaded &loaded = files_[key];
  loaded.source = std::make_shared<SourceFile>(name, std::move(text));
  sink_.keep(loaded.source);
  loaded.folder = std::move(folder);
  loaded.embedded = embedded;
  loaded.tree = parse(*loaded.source, sink_);
  byTree_[loaded.tree.get()] = &loaded;
  return loaded.tree.get();
}

const ast::File *ProgramFiles::open(const std::string &path) {
  auto found = files_.find("disk:" + path);
  if (found != files_.end())
    return found->second.tree.get();
  // Programs are pages, not megabytes; a weights file given by mistake stops here.
  return load("disk:" + path, printable(path, 1024), readTextFile(path, 1u << 20), folderOf(path), false);
}

const ast::File *ProgramFiles::embedded(const std::string &path) {
  auto found = files_.find("models:" + path);
  if (found != files_.end())
    return found->second.tree.get();
  auto file = std::find_if(embeddedFilesBegin(), embeddedFilesEnd(), [&](const EmbeddedFile &file) { return file.path == path; });
  return file == embeddedFilesEnd() ? nullptr : load("models:" + path, "models/" + path + ".hb", std::string(file->text), folderOf(path), true);
}

const ast::File *ProgramFiles::add(const std::string &name, std::string text) { return load("text:" + name, name, std::move(text), folderOf(name), false); }

const ast::File *ProgramFiles::import(const ast::File &from, const ast::Import &import) {
  std::string path = import.path;
  std::replace(path.begin(), path.end(), '.', '/');
  const Loaded *loaded = byTree_.at(&from);
  std::string beside = joinPath(loaded->folder, path);
  if (loaded->embedded) {
    if (const ast::File *file = embedded(beside))
      return file;
  } else if (isFile(beside + ".hb")) {
    return open(beside + ".hb");
  }
  if (const ast::File *file = embedded(path))
    return file;
  std::vector<std::string> known;
  for (auto file = embeddedFilesBegin(); file != embeddedFilesEnd(); ++file) {
    known.emplace_back(file->path);
    std::replace(known.back().begin(), known.back().end(), '/', '.');
  }
  sink_.report({112, import.span, "a file " + import.path + " beside this one or among the built-in models", "none",
                suggestion(import.path, known, "check the path; dots separate folders"), {}, {}});
  return nullptr;
}

std::vector<const ast::File *> ProgramFiles::allEmbedded() {
  std::vector<const ast::File *> all;
  for (auto file = embeddedFilesBegin(); file != embeddedFilesEnd(); ++file)
    all.push_back(embedded(std::string(file->path)));
  return all;
}

} // namespace hb
