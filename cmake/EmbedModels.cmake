# Script: writes OUTPUT, a C++ file with every file of FILES (separated by |, relative to ROOT) as bytes.
string(REPLACE "|" ";" FILES "${FILES}")
set(arrays "")
set(rows "")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ "${ROOT}/${file}" bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "\\.hb$" "" path "${file}")
  string(APPEND arrays "constexpr unsigned char file${index}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${path}\", {reinterpret_cast<const char *>(file${index}), sizeof file${index} - 1}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE "${OUTPUT}" "// Generated from models/ by cmake/EmbedModels.cmake.
#include \"frontend/ProgramFiles.h\"

namespace hb {
namespace {
${arrays}
const EmbeddedFile files[] = {
${rows}    {\"\", \"\"}};
} // namespace

const EmbeddedFile *embeddedFilesBegin() { return files; }
const EmbeddedFile *embeddedFilesEnd() { return files + ${index}; }
} // namespace hb
")
