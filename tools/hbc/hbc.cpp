// hbc: the compiler's command line.
#include "tools/hbc/Commands.h"

#include "runtime/base/Error.h"
#include "runtime/base/Process.h"

#include "llvm/Support/ErrorHandling.h"

#include <iostream>
#include <system_error>

int main(int argc, char **argv) {
  hb::handleFileSignals();
  // LLVM's frames cannot be unwound: memory that is out ends the process where it is.
  hb::exitWhenOutOfMemory("hbc");
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { hb::outOfMemory(); });
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
  hb::tool::addPlan(app, action);
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
  } catch (const std::exception &error) {
    auto *system = dynamic_cast<const std::system_error *>(&error);
    if (system && system->code() == std::errc::resource_unavailable_try_again) // a thread whose stack found no room
      hb::outOfMemory();
    std::cerr << hb::Error(999, "hbc", "", error.what(), "please report the command and this message").what() << "\n";
    return static_cast<int>(hb::ExitCode::Internal);
  }
}
