// Names of a program checked without a config: what `hbc check` and an editor can say at once.
#pragma once

#include "frontend/ProgramFiles.h"

namespace hb {

/// Reports names that are declared nowhere, imports that do not exist and members of imported files that they do not have, in
/// `file` (its imports are loaded, not checked). `builtins` are the names known everywhere. Dimension names in types are free.
void checkNames(const ast::File &file, ProgramFiles &files, const std::vector<std::string> &builtins, DiagnosticSink &sink);

/// Names of the builtins, from the elaborator's tables.
std::vector<std::string> builtinNames();

} // namespace hb
