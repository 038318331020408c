// hbc: the compiler's command line.
#include "tools/hbc/Commands.h"

#include "runtime/base/Error.h"
#include "runtime/base/Memory.h"
#include "runtime/base/ProcessSignals.h"

#include "llvm/Support/ErrorHandling.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>

namespace {

[[noreturn]] void outOfMemory() {
  hb::MemoryLimit limit = hb::availableMemory();
  std::fprintf(stderr, "error HB0903: hbc: expected more memory; found %llu bytes available (%s); compile fewer entries at a time, or make room\n",
               static_cast<unsigned long long>(limit.bytes), limit.source.c_str());
  std::_Exit(static_cast<int>(hb::ExitCode::NoMemory));
}

} // namespace

int main(int argc, char **argv) {
  hb::handleFileSignals();
  // LLVM has no exceptions: where it is out of memory, nothing of it can be unwound.
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { outOfMemory(); });
  CLI::App app{"Compiles diffusion models and their rewards ahead of time."};
  app.set_version_flag("--version", "hbc 0.1.0");
  app.require_subcommand(0, 1);
  hb::tool::Action action;
  std::string number;
  app.add_option("--explain", number, "print the page of an error number, e.g. HB0123");
  hb::tool::addCompile(app, action);
  hb::tool::addCheck(app, action);
  hb::tool::addEval(app, action);
  hb::tool::addFmt(app, action);
  hb::tool::addGraph(app, action);
  try {
    app.parse(argc, argv);
    if (!number.empty())
      return hb::tool::explain(number);
    if (action)
      return action();
    std::cerr << app.help();
    return static_cast<int>(hb::ExitCode::Usage);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    std::cerr << hb::Error(700, "hbc", "", error.what(), "see hbc --help").what() << "\n";
    return static_cast<int>(hb::ExitCode::Usage);
  } catch (const hb::Error &error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.exitCode());
  } catch (const std::bad_alloc &) {
    outOfMemory();
  } catch (const std::exception &error) {
    std::cerr << hb::Error(999, "hbc", "", error.what(), "please report the command and this message").what() << "\n";
    return static_cast<int>(hb::ExitCode::Internal);
  }
}
