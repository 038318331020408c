// Numbered messages that point into the program's text, collected so that several appear in one go.
#pragma once

#include "frontend/Source.h"
#include "runtime/base/Error.h"

#include <set>
#include <string>
#include <vector>

namespace hb {

/// A second place that a message refers to, e.g. the declaration that an argument does not fit.
struct DiagnosticNote {
  Span span;
  std::string text;
};

/// One message. `place` replaces the span's `file:line:column` for messages about files that are no program (a checkpoint).
struct Diagnostic {
  int number = 999;
  Span span;
  std::string expected, found, action;
  std::vector<DiagnosticNote> notes;
  std::string place;

  /// `error HB0123: file:3:7: expected …; found …; …`, then the line with a caret, then the notes, each the same way.
  std::string render() const;
};

/// Thrown where a message has to unwind to a place from which work can go on. An empty number (0) means "already reported".
struct Failure {
  Diagnostic diagnostic;
};

/// Collects messages: the same message at the same place once, `limit` in all.
class DiagnosticSink {
public:
  explicit DiagnosticSink(size_t limit = 20) : limit_(limit) {}

  void report(Diagnostic diagnostic);
  /// Messages point into files; the sink keeps those alive for as long as it may have to show a line of them.
  void keep(std::shared_ptr<const SourceFile> file) { files_.push_back(std::move(file)); }
  bool hasErrors() const { return !diagnostics_.empty(); }
  const std::vector<Diagnostic> &diagnostics() const { return diagnostics_; }
  /// What could not be shown.
  size_t suppressed() const { return suppressed_; }
  /// All messages, an empty line between two; says at the end how many more there were.
  std::string render() const;
  /// Of the first message; Ok without one.
  ExitCode exitCode() const;

private:
  size_t limit_, suppressed_ = 0;
  std::vector<Diagnostic> diagnostics_;
  std::set<std::string> seen_;
  std::vector<std::shared_ptr<const SourceFile>> files_;
};

/// The name closest to a misspelt one (at most a third of its letters wrong); empty when none is close.
std::string closestName(std::string_view wrong, const std::vector<std::string> &known);
/// `did you mean "x"?` or `fallback`.
std::string suggestion(std::string_view wrong, const std::vector<std::string> &known, const std::string &fallback);

} // namespace hb
