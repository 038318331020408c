// The settings of a generation as text chunks of the picture.
#pragma once

#include "runtime/formats/Image.h"
#include "tools/hb-rt/GenerateOptions.h"

namespace hb::rt {

/// "parameters" (the one-line form that picture tools know) and "hummingbird" (JSON that --from-png reads).
/// `seed` and `index`: of the round that drew the picture and the picture's place in it.
PngTexts pictureTexts(const GenerateOptions &options, SamplingMethod method, uint64_t seed, int64_t index, const Generation &generation);

/// Fills the options that the user did not give from a picture's "hummingbird" text. HB0642.
void applyPictureText(const std::string &path, GenerateOptions &options);

} // namespace hb::rt
