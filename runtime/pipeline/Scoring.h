// The rewards of one picture: what the reward entries of a module say about it.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/formats/Image.h"

#include <optional>
#include <string>
#include <vector>

namespace hb {

struct ScoreRequest {
  Image image;
  std::optional<Image> reference; ///< for rewards that compare two pictures; without it they are left out
  std::string text;
};

struct Score {
  std::string name; ///< of a pipeline with --reward that name; "blip2", "clip_score", … of a network, "<network>.<name>" where there are several
  double value = 0;
};

struct ScoreResult {
  std::vector<Score> scores;      ///< in the module's order
  std::vector<std::string> notes; ///< complete sentences: pictures resized, entries left out
};

/// Runs every reward entry of the module (a pipeline's score, blip2_reward, clip_score, clip_image_similarity, aesthetic_score) on one picture. Entries
/// have a compiled size; another picture is resized with Pillow's bicubic filter, sides independently, and a note says so. Texts
/// are tokenised with the files that hbc stored. Rewards read bytes/255.
/// HB0643 when the module has no reward entry, HB0644 when it lacks a tokenizer; HB0601, HB0602 for the text, HB0605, HB0632 – HB0638.
ScoreResult scorePicture(Session &session, const ScoreRequest &request);

} // namespace hb
