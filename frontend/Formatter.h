// One layout for every program.
#pragma once

#include "frontend/Diagnostic.h"

namespace hb {

/// The program with fixed spacing and indentation. Line breaks stay where the author put them (runs of blank lines become
/// one), comments stay where they are. Formatting the result changes nothing. Syntax errors are reported to the sink, and the text
/// comes back as it was.
std::string formatProgram(const SourceFile &file, DiagnosticSink &sink);

} // namespace hb
