// hbc fmt: one layout for every program.
#include "tools/hbc/Commands.h"

#include "frontend/Formatter.h"
#include "runtime/base/AtomicFile.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <iostream>
#include <memory>

namespace hb::tool {

void addFmt(CLI::App &app, Action &action) {
  struct Options {
    std::vector<std::string> files;
    bool check = false;
  };
  CLI::App *command = app.add_subcommand("fmt", "format programs in place");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files, ".hb files")->required();
  command->add_flag("--check", options->check, "change nothing; exit 1 and name the files that would change");
  command->callback([options, &action] {
    action = [options] {
      int code = 0;
      for (const std::string &path : options->files) {
        DiagnosticSink sink;
        SourceFile file(printable(path, 1024), readTextFile(path, 1u << 20));
        std::string text = formatProgram(file, sink);
        if (sink.hasErrors()) {
          std::cerr << sink.render();
          code = static_cast<int>(sink.exitCode());
        } else if (text != file.text()) {
          if (options->check) {
            std::cout << path << "\n";
            code = code ? code : 1;
          } else {
            writeFileAtomically(path, text);
          }
        }
      }
      return code;
    };
  });
}

} // namespace hb::tool
