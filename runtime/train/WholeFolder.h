// Output folders that appear whole or not at all.
#pragma once

#include <string>

namespace hb {

/// A folder under a temporary name beside its target; `commit` flushes it and renames it into place, replacing what was there. Without a
/// commit it is removed. HB0901.
class WholeFolder {
public:
  explicit WholeFolder(std::string target);
  WholeFolder(const WholeFolder &) = delete;
  WholeFolder &operator=(const WholeFolder &) = delete;
  ~WholeFolder();

  /// Where to write until the commit.
  const std::string &path() const { return temporary_; }
  void commit();

private:
  std::string target_, temporary_;
};

/// Makes a folder and those above it. HB0901.
void makeFolders(const std::string &path);
/// Takes a folder away: out of sight first, then its files, so that a kill in between leaves no half of it.
void removeWholeFolder(const std::string &path);
/// Removes what killed runs left under temporary names in a folder.
void removeLeftovers(const std::string &folder);

} // namespace hb
