// Any bytes as a program: lexer, parser, name check and formatter neither crash nor hang, and formatting is idempotent.
#include "frontend/Formatter.h"
#include "frontend/NameCheck.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  hb::DiagnosticSink sink;
  hb::ProgramFiles files(sink);
  hb::checkNames(*files.add("fuzz.hb", text), files, {"len"}, sink);
  sink.render();
  hb::SourceFile file("fuzz.hb", text);
  hb::DiagnosticSink formatting;
  std::string once = hb::formatProgram(file, formatting);
  if (!formatting.hasErrors()) {
    hb::SourceFile formatted("fuzz.hb", once);
    if (hb::formatProgram(formatted, formatting) != once || formatting.hasErrors())
      abort();
  }
  return 0;
}
