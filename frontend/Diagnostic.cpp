#include "frontend/Diagnostic.h"

#include "runtime/base/Text.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace hb {
namespace {

/// The line of a span and a caret under its first character, tildes under the rest.
std::string caret(const Span &span) {
  if (!span.file)
    return "";
  unsigned line = span.file->line(span.begin), column = span.file->column(span.begin);
  std::string text = printable(span.file->lineText(line), 400), number = std::to_string(line);
  // Tabs move the caret in ways nobody can predict; the shown line has spaces instead (printable() made them '?').
  std::string raw(span.file->lineText(line));
  for (size_t i = 0; i < raw.size() && i < text.size(); ++i)
    if (raw[i] == '\t')
      text[i] = ' ';
  unsigned length = 1;
  if (span.end > span.begin && span.file->line(span.end) == line)
    length = std::max(1u, span.file->column(span.end) - column);
  std::string gutter(number.size() + 2, ' ');
  return "\n  " + number + " | " + text + "\n" + gutter + " | " + std::string(column - 1, ' ') + "^" + std::string(std::min(length - 1, 200u), '~');
}

} // namespace

std::string Diagnostic::render() const {
  std::string text = Error(number, place.empty() ? span.where() : place, expected, found, action).what();
  text += caret(span);
  for (const DiagnosticNote &note : notes)
    text += "\nnote: " + note.span.where() + ": " + note.text + caret(note.span);
  return text;
}

void DiagnosticSink::report(Diagnostic diagnostic) {
  if (diagnostic.number == 0)
    return;
  // Beyond the limit only the count matters; finding out where each one is would take quadratic time on a hostile file.
  if (diagnostics_.size() >= limit_) {
    ++suppressed_;
    return;
  }
  std::string key = std::to_string(diagnostic.number) + "@" + (diagnostic.place.empty() ? diagnostic.span.where() : diagnostic.place);
  if (seen_.insert(std::move(key)).second)
    diagnostics_.push_back(std::move(diagnostic));
}

std::string DiagnosticSink::render() const {
  std::string text;
  for (const Diagnostic &diagnostic : diagnostics_)
    text += diagnostic.render() + "\n";
  if (suppressed_)
    text += "and " + std::to_string(suppressed_) + " more\n";
  return text;
}

ExitCode DiagnosticSink::exitCode() const {
  return diagnostics_.empty() ? ExitCode::Ok : Error(diagnostics_.front().number, "", "", "", "").exitCode();
}

std::string closestName(std::string_view wrong, const std::vector<std::string> &known) {
  std::string best;
  size_t bestDistance = std::max<size_t>(1, wrong.size() / 3) + 1;
  for (const std::string &name : known) {
    if (name.size() > wrong.size() + bestDistance || wrong.size() > name.size() + bestDistance || wrong.size() > 100)
      continue;
    // Levenshtein's distance with swaps of neighbours as one step (optimal string alignment), three rows at a time.
    std::vector<size_t> before, above(name.size() + 1), row(name.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= wrong.size(); ++i) {
      before = std::exchange(above, row);
      row[0] = i;
      for (size_t j = 1; j <= name.size(); ++j) {
        row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (wrong[i - 1] != name[j - 1])});
        if (i > 1 && j > 1 && wrong[i - 1] == name[j - 2] && wrong[i - 2] == name[j - 1])
          row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    // A word with no letter in common is no misspelling.
    if (row.back() < bestDistance && row.back() < std::max(wrong.size(), name.size())) {
      bestDistance = row.back();
      best = name;
    }
  }
  return best;
}

std::string suggestion(std::string_view wrong, const std::vector<std::string> &known, const std::string &fallback) {
  std::string name = closestName(wrong, known);
  return name.empty() ? fallback : "did you mean \"" + printable(name) + "\"?";
}

} // namespace hb
