// Tokens to the syntax tree.
#pragma once

#include "frontend/Ast.h"
#include "frontend/Diagnostic.h"

namespace hb {

/// Parses a whole file. Errors are reported to the sink; the parser goes on with the next statement or declaration, so the tree
/// holds whatever could be read.
std::unique_ptr<ast::File> parse(const SourceFile &file, DiagnosticSink &sink);

} // namespace hb
