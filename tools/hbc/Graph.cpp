// hbc graph: what a model expands to.
#include "tools/hbc/Commands.h"
#include "tools/hbc/ModelOptions.h"

#include "runtime/base/Text.h"

#include "mlir/IR/MLIRContext.h"

#include <nlohmann/json.hpp>

#include <iostream>

namespace hb::tool {
namespace {

std::string fullPath(const GraphRow &row) { return row.scope.empty() ? row.path : row.path.empty() ? row.scope : row.scope + ":" + row.path; }

void printJson(const std::vector<GraphRow> &rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const GraphRow &row : rows) {
    nlohmann::json item{{"scope", row.scope}, {"path", row.path}};
    if (row.module.empty())
      item["shape"] = row.shape;
    else
      item["module"] = row.module;
    if (!row.doc.empty())
      item["doc"] = row.doc;
    list.push_back(std::move(item));
  }
  std::cout << nlohmann::json{{"members", list}}.dump(1) << "\n";
}

void printDot(const std::vector<GraphRow> &rows) {
  auto quoted = [](const std::string &text) {
    std::string out = "\"";
    for (char c : text)
      out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    return out + "\"";
  };
  std::cout << "digraph model {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n";
  // Segments may hold dots, so the parent is the longest shorter path that is a module.
  std::map<std::string, std::set<std::string>> modules;
  for (const GraphRow &row : rows)
    if (!row.module.empty())
      modules[row.scope].insert(row.path);
  for (const GraphRow &row : rows) {
    std::string id = fullPath(row).empty() ? "(root)" : fullPath(row);
    std::string label = row.module.empty() ? row.path.substr(row.path.rfind('.') + 1) + " " + shapeText(row.shape) : row.path.substr(row.path.rfind('.') + 1) + ": " + row.module;
    std::cout << "  " << quoted(id) << " [label=" << quoted(label) << (row.module.empty() ? ", shape=plain" : "") << "];\n";
    for (size_t dot = row.path.rfind('.'); !row.path.empty();) {
      std::string parent = dot == std::string::npos ? "" : row.path.substr(0, dot);
      if (modules[row.scope].count(parent)) {
        GraphRow up{row.scope, parent, "", {}, ""};
        std::cout << "  " << quoted(fullPath(up).empty() ? "(root)" : fullPath(up)) << " -> " << quoted(id) << ";\n";
        break;
      }
      if (dot == std::string::npos)
        break;
      dot = dot == 0 ? std::string::npos : row.path.rfind('.', dot - 1);
    }
  }
  std::cout << "}\n";
}

} // namespace

void addGraph(CLI::App &app, Action &action) {
  struct Options {
    ModelOptions model;
    bool dot = false, json = false;
  };
  CLI::App *command = app.add_subcommand("graph", "print the tree of modules and parameters");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->model.import.model, "pipeline folder, component folder or .hb file")->required();
  options->model.add(*command);
  CLI::Option *dot = command->add_flag("--dot", options->dot, "Graphviz");
  command->add_flag("--json", options->json, "JSON (default)")->excludes(dot);
  command->callback([options, &action] {
    action = [options] {
      options->model.finish();
      mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
      DiagnosticSink sink;
      std::vector<GraphRow> rows = moduleTree(context, options->model.import, sink);
      if (sink.hasErrors())
        return reportAll(sink);
      options->dot ? printDot(rows) : printJson(rows);
      return 0;
    };
  });
}

} // namespace hb::tool
