// hb-rt score: the rewards of one picture.
#include "runtime/pipeline/Scoring.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/SessionFlags.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace hb::rt {
namespace {

struct ScoreOptions {
  std::string module, image, reference, text;
  bool json = false;
  SessionOptions session;
};

int score(const ScoreOptions &options) {
  // The picture is read before the checkpoint is opened: it is the likelier one to be wrong, and the cheaper one.
  ScoreRequest request{readImage(options.image, AlphaMode::OverWhite), std::nullopt, options.text};
  if (!options.reference.empty())
    request.reference = readImage(options.reference, AlphaMode::OverWhite);
  Session session(options.module, options.session);
  ScoreResult result = scorePicture(session, request);
  for (const std::string &note : result.notes)
    std::fprintf(stderr, "note: %s\n", note.c_str());
  if (options.json) {
    nlohmann::ordered_json values = nlohmann::ordered_json::object();
    for (const Score &s : result.scores)
      values[s.name] = s.value;
    std::printf("%s\n", values.dump().c_str());
  } else {
    for (const Score &s : result.scores)
      std::printf("%-20s %.6f\n", s.name.c_str(), s.value);
  }
  return 0;
}

} // namespace

Action addScore(CLI::App &app) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App *sub = app.add_subcommand("score", "the rewards of one picture, from a module compiled from a reward model");
  sub->add_option("-m,--module", options->module, "the module (.hbm)")->required();
  sub->add_option("--image", options->image, "the picture, PNG or JPEG")->required();
  sub->add_option("--text", options->text, "the text it is to be measured against")->required();
  sub->add_option("--ref-image", options->reference, "a second picture, for rewards that compare two");
  sub->add_flag("--json", options->json, "print one JSON object");
  addSessionFlags(*sub, options->session);
  return [options] { return score(*options); };
}

} // namespace hb::rt
