#include "runtime/pipeline/TimeIds.h"

#include "runtime/base/Error.h"

#include <string>

namespace hb {

std::array<float, 6> timeIds(PixelPair originalSize, PixelPair cropCorner, PixelPair targetSize) {
  struct Field {
    const char *name;
    int64_t value, low;
  };
  const Field fields[6] = {{"original height", originalSize.vertical, 1}, {"original width", originalSize.horizontal, 1},
                           {"crop top", cropCorner.vertical, 0},          {"crop left", cropCorner.horizontal, 0},
                           {"target height", targetSize.vertical, 1},     {"target width", targetSize.horizontal, 1}};
  std::array<float, 6> ids;
  for (int i = 0; i < 6; ++i) {
    const Field &field = fields[i];
    if (field.value < field.low || field.value >= int64_t(1) << 24)
      throw Error(606, field.name, "a number of pixels from " + std::to_string(field.low) + " to 16777215", std::to_string(field.value), "correct it");
    ids[size_t(i)] = float(field.value);
  }
  return ids;
}

} // namespace hb
