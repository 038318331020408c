// Compiled with -ffp-contract=off: resize coefficients and pixel values have the library's rounding.
#include "runtime/pipeline/Preprocess.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/pipeline/SettingsFile.h"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

constexpr int64_t kLongestInputSide = 65535, kMostInputPixels = int64_t(1) << 28, kLongestResultSide = 4096;
// A resized picture may be much larger than what is cropped out of it, and only that part is computed.
constexpr int64_t kLongestResizedSide = int64_t(1) << 24;

void checkSides(const char *what, int64_t width, int64_t height, int64_t longest) {
  if (width >= 1 && height >= 1 && width <= longest && height <= longest)
    return;
  throw Error(605, what, "1 to " + std::to_string(longest) + " pixels a side", std::to_string(width) + " x " + std::to_string(height), "scale the picture");
}

void checkImage(RgbView image) {
  checkSides("picture", image.width, image.height, kLongestInputSide);
  if (image.width * image.height > kMostInputPixels)
    throw Error(605, "picture", "at most 2^28 pixels", std::to_string(image.width) + " x " + std::to_string(image.height), "scale the picture");
}

//===-- Pillow's resize ----------------------------------------------------------------------------------------------------------------===//
//
// Public source: the documentation and behaviour of Pillow's Image.resize. A separable convolution in two passes, bytes between them. When
// shrinking, the kernel is widened by the scale (antialiasing). Coefficients are normalised in double and then
// rounded to 22 binary digits, so that sums are exact integers.

constexpr int kPrecision = 22; // 32 bits, less 8 of a byte, less 2 for the kernel's overshoot

/// The cubic convolution kernel (Keys 1981), zero beyond ±2.
double cubic(double x, double a) {
  x = std::fabs(x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/// What one output position reads: input positions first … first + weights − 1.
struct Taps {
  int64_t first;
  std::vector<int32_t> weights;
};

/// Taps of the output positions [from, from + count) of a resize from inSize to outSize.
std::vector<Taps> bicubicTaps(int64_t inSize, int64_t outSize, int64_t from, int64_t count) {
  double scale = double(inSize) / double(outSize);
  double filterScale = std::max(scale, 1.0);
  double support = 2.0 * filterScale, inverse = 1.0 / filterScale;
  std::vector<Taps> all;
  std::vector<double> weights;
  for (int64_t at = from; at < from + count; ++at) {
    double center = (double(at) + 0.5) * scale;
    int64_t first = std::max<int64_t>(int64_t(center - support + 0.5), 0);
    int64_t end = std::min(int64_t(center + support + 0.5), inSize);
    weights.clear();
    double sum = 0;
    for (int64_t x = first; x < end; ++x) {
      weights.push_back(cubic((double(x) - center + 0.5) * inverse, -0.5));
      sum += weights.back();
    }
    Taps taps{first, {}};
    for (double weight : weights) {
      double scaled = (sum != 0 ? weight / sum : weight) * double(1 << kPrecision);
      taps.weights.push_back(int32_t(scaled < 0 ? scaled - 0.5 : scaled + 0.5)); // truncated: rounds half away from zero
    }
    all.push_back(std::move(taps));
  }
  return all;
}

uint8_t toByte(int32_t sum) { return uint8_t(std::clamp(sum >> kPrecision, 0, 255)); }
constexpr int32_t kHalf = 1 << (kPrecision - 1); // rounds the sums

/// First and one-behind-last input position that any of the taps reads.
struct Reach {
  int64_t first, end;
};
Reach reachOf(const std::vector<Taps> &all) {
  Reach reach{all.front().first, 0};
  for (const Taps &taps : all) {
    reach.first = std::min(reach.first, taps.first);
    reach.end = std::max(reach.end, taps.first + int64_t(taps.weights.size()));
  }
  return reach;
}

/// Filters `rows` rows of `stride` bytes along x, whose first pixel is input column `origin`: [rows, taps, 3].
std::vector<uint8_t> horizontalPass(const uint8_t *in, int64_t stride, int64_t rows, int64_t origin, const std::vector<Taps> &all) {
  std::vector<uint8_t> result(size_t(rows) * all.size() * 3);
  uint8_t *out = result.data();
  for (int64_t y = 0; y < rows; ++y)
    for (const Taps &taps : all) {
      int32_t sums[3] = {kHalf, kHalf, kHalf};
      const uint8_t *pixel = in + y * stride + (taps.first - origin) * 3;
      for (int32_t weight : taps.weights)
        for (int32_t &sum : sums)
          sum += *pixel++ * weight;
      for (int32_t sum : sums)
        *out++ = toByte(sum);
    }
  return result;
}

/// Filters the first `width` bytes of rows of `stride` bytes along y, whose first row is input row `origin`: [taps, width].
std::vector<uint8_t> verticalPass(const uint8_t *in, int64_t stride, int64_t width, int64_t origin, const std::vector<Taps> &all) {
  std::vector<uint8_t> result(all.size() * size_t(width));
  std::vector<int32_t> sums(static_cast<size_t>(width));
  auto out = result.begin();
  for (const Taps &taps : all) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const uint8_t *line = in + (taps.first - origin) * stride;
    for (int32_t weight : taps.weights) {
      for (int64_t x = 0; x < width; ++x)
        sums[size_t(x)] += line[x] * weight;
      line += stride;
    }
    out = std::transform(sums.begin(), sums.end(), out, toByte);
  }
  return result;
}

} // namespace

std::vector<uint8_t> resizeBicubic(RgbView image, int64_t width, int64_t height, PixelWindow window) {
  checkImage(image);
  checkSides("resized picture", width, height, kLongestResizedSide);
  checkSides("part of the resized picture", window.width, window.height, kLongestInputSide);
  if (window.left < 0 || window.top < 0 || window.left + window.width > width || window.top + window.height > height ||
      window.width * window.height > kMostInputPixels)
    throw Error(605, "part of the resized picture", "a part inside of at most 2^28 pixels", "another one", "scale the picture");

  // A pass that changes nothing has one tap of weight 1 a position, so it need not be left out.
  std::vector<Taps> columns = bicubicTaps(image.width, width, window.left, window.width);
  std::vector<Taps> rows = bicubicTaps(image.height, height, window.top, window.height);
  int64_t stride = image.width * 3;
  // Which pass comes first shows in the rounding. Since its version 13 the library begins with the vertical one where the height shrinks
  // by more than twice as many pixels as the width.
  if (image.height > height && image.height - height > 2 * (image.width - width)) {
    Reach reach = reachOf(columns);
    std::vector<uint8_t> between = verticalPass(image.pixels + reach.first * 3, stride, (reach.end - reach.first) * 3, 0, rows);
    return horizontalPass(between.data(), (reach.end - reach.first) * 3, window.height, reach.first, columns);
  }
  Reach reach = reachOf(rows);
  std::vector<uint8_t> between = horizontalPass(image.pixels + reach.first * stride, stride, reach.end - reach.first, 0, columns);
  return verticalPass(between.data(), window.width * 3, window.width * 3, reach.first, rows);
}

std::vector<uint8_t> resizeBicubic(RgbView image, int64_t width, int64_t height) { return resizeBicubic(image, width, height, {0, 0, width, height}); }

//===-- The image processors -----------------------------------------------------------------------------------------------------------===//

namespace {

/// The settings image processors write. Those not read below name the processor or repeat what is checked elsewhere.
const std::set<std::string_view> kKnownSettings = {"crop_size",    "do_center_crop",         "do_convert_rgb",       "do_normalize", "do_rescale",
                                                   "do_resize",    "feature_extractor_type", "image_processor_type", "image_mean",   "image_std",
                                                   "processor_class", "resample",            "rescale_factor",       "size"};

/// What a class does where its file is silent.
struct ProcessorRow {
  std::string_view name;
  bool centerCrop;
  int64_t shortestEdge, side;
};
constexpr ProcessorRow kProcessors[] = {{"CLIPImageProcessor", true, 224, 0},    {"CLIPImageProcessorFast", true, 224, 0},
                                        {"CLIPImageProcessorPil", true, 224, 0}, {"CLIPFeatureExtractor", true, 224, 0},
                                        {"BlipImageProcessor", false, 0, 384},   {"BlipImageProcessorFast", false, 0, 384},
                                        {"BlipImageProcessorPil", false, 0, 384}};

const ProcessorRow &processorOf(const Settings &settings) {
  std::string key = settings.has("image_processor_type") ? "image_processor_type" : "feature_extractor_type";
  std::string name = settings.text(key, "CLIPImageProcessor");
  for (const ProcessorRow &row : kProcessors)
    if (row.name == name)
      return row;
  settings.unsupported(key, "\"CLIPImageProcessor\" or \"BlipImageProcessor\"");
}

/// "size" and "crop_size" come as {"height", "width"}, as {"shortest_edge"} (size only) or, in old files, as one number.
struct SizeSetting {
  int64_t shortestEdge = 0, height = 0, width = 0;
};

SizeSetting sizeSetting(const Settings &settings, const std::string &key, bool numberIsEdge, SizeSetting fallback) {
  const nlohmann::json &value = settings.raw(key);
  if (value.is_null())
    return fallback;
  auto side = [&](const nlohmann::json &number) {
    if (!number.is_number_integer() || number < 1 || number > kLongestResultSide)
      settings.wrongValue(key, "sides from 1 to " + std::to_string(kLongestResultSide));
    return number.get<int64_t>();
  };
  if (value.is_number())
    return numberIsEdge ? SizeSetting{side(value), 0, 0} : SizeSetting{0, side(value), side(value)};
  if (value.is_object() && value.size() == 1 && value.contains("shortest_edge") && numberIsEdge)
    return {side(value["shortest_edge"]), 0, 0};
  if (value.is_object() && value.size() == 2 && value.contains("height") && value.contains("width"))
    return {0, side(value["height"]), side(value["width"])};
  settings.wrongValue(key, numberIsEdge ? "\"shortest_edge\", or \"height\" and \"width\"" : "\"height\" and \"width\"");
}

} // namespace

PreprocessConfig PreprocessConfig::read(const std::string &path) { return parse(readTextFile(path), path); }

PreprocessConfig PreprocessConfig::parse(std::string_view text, std::string where) {
  Settings settings = Settings::parse(text, std::move(where));
  const ProcessorRow &processor = processorOf(settings);
  settings.refuseUnknown(kKnownSettings);
  PreprocessConfig config;
  config.resize = settings.flag("do_resize", true);
  config.centerCrop = settings.flag("do_center_crop", processor.centerCrop);
  config.rescale = settings.flag("do_rescale", true);
  config.normalise = settings.flag("do_normalize", true);
  SizeSetting size = sizeSetting(settings, "size", processor.centerCrop, {processor.shortestEdge, processor.side, processor.side});
  config.shortestEdge = size.shortestEdge;
  config.resizeHeight = size.height;
  config.resizeWidth = size.width;
  SizeSetting crop = sizeSetting(settings, "crop_size", false, {0, 224, 224});
  config.cropHeight = crop.height;
  config.cropWidth = crop.width;
  config.rescaleFactor = settings.number("rescale_factor", 1 / 255.0, 1e-6, 1e6);
  // Resampling 3 is bicubic in Pillow's numbering.
  if (settings.integer("resample", 3, 0, 5) != 3)
    settings.unsupported("resample", "3 (bicubic)");
  if (settings.has("image_mean")) {
    std::vector<double> mean = settings.numbers("image_mean", 3);
    std::copy(mean.begin(), mean.end(), config.scale.mean.begin());
  }
  if (settings.has("image_std")) {
    std::vector<double> std = settings.numbers("image_std", 3);
    // The network would be fed infinities.
    if (std::any_of(std.begin(), std.end(), [](double value) { return !(value >= 1e-6); }))
      settings.wrongValue("image_std", "numbers above 0");
    std::copy(std.begin(), std.end(), config.scale.std.begin());
  }
  return config;
}

std::array<int64_t, 2> PreprocessConfig::resizedSize(int64_t width, int64_t height) const {
  checkSides("picture", width, height, kLongestInputSide);
  if (!resize)
    return {height, width};
  if (shortestEdge == 0)
    return {resizeHeight, resizeWidth};
  // The long side is int(edge·long/short), one division in double.
  int64_t brief = std::min(width, height), extent = std::max(width, height);
  int64_t length = int64_t(double(shortestEdge * extent) / double(brief));
  return width <= height ? std::array<int64_t, 2>{length, shortestEdge} : std::array<int64_t, 2>{shortestEdge, length};
}

std::vector<uint8_t> PreprocessConfig::cropped(RgbView image, int64_t &width, int64_t &height) const {
  checkImage(image);
  auto [fullHeight, fullWidth] = resizedSize(image.width, image.height);
  width = centerCrop ? cropWidth : fullWidth;
  height = centerCrop ? cropHeight : fullHeight;
  checkSides("preprocessed picture", width, height, kLongestResultSide);

  // Where the crop is larger than the picture, the picture sits in its middle, nearer to the bottom right by the odd pixel.
  auto offset = [](int64_t full, int64_t part) { return full >= part ? (full - part) / 2 : 0; };
  auto margin = [](int64_t full, int64_t part) { return full >= part ? 0 : (part - full + 1) / 2; };
  PixelWindow window{offset(fullWidth, width), offset(fullHeight, height), std::min(fullWidth, width), std::min(fullHeight, height)};
  std::vector<uint8_t> part = resizeBicubic(image, fullWidth, fullHeight, window);
  if (window.width == width && window.height == height)
    return part;
  std::vector<uint8_t> padded(size_t(width * height * 3), 0);
  for (int64_t y = 0; y < window.height; ++y)
    std::copy_n(part.begin() + y * window.width * 3, window.width * 3,
                padded.begin() + ((y + margin(fullHeight, height)) * width + margin(fullWidth, width)) * 3);
  return padded;
}

std::vector<float> PreprocessConfig::apply(RgbView image, int64_t &width, int64_t &height) const {
  std::vector<uint8_t> bytes = cropped(image, width, height);
  int64_t plane = width * height;
  std::vector<float> values(bytes.size());
  for (int64_t channel = 0; channel < 3; ++channel) {
    // There are only 256 different results; the product is taken in double, all else in float32.
    float table[256];
    for (int byte = 0; byte < 256; ++byte) {
      float value = rescale ? float(double(byte) * rescaleFactor) : float(byte);
      table[byte] = normalise ? (value - scale.mean[size_t(channel)]) / scale.std[size_t(channel)] : value;
    }
    for (int64_t i = 0; i < plane; ++i)
      values[size_t(channel * plane + i)] = table[bytes[size_t(i * 3 + channel)]];
  }
  return values;
}

//===-- The training script's squash ---------------------------------------------------------------------------------------------------===//

namespace {

/// Four neighbours and their weights: torch's bicubic without antialiasing, positions beyond the border clamped to it.
struct FourTaps {
  int64_t index[4];
  float weight[4];
};

std::vector<FourTaps> squashTaps(int64_t inSize, int64_t outSize) {
  // Position and weights in float32, as the library has them: at a thousand pixels the fraction keeps only 14 bits.
  // The polynomials cancel near their zeros, so products are not rounded: fused, as the library's build has them.
  constexpr float a = -0.75f;
  auto inner = [](float x) { return std::fma(std::fma(a + 2, x, -(a + 3)) * x, x, 1.0f); };
  auto outer = [](float x) { return std::fma(std::fma(std::fma(a, x, -5 * a), x, 8 * a), x, -4 * a); };
  float scale = float(inSize) / float(outSize);
  std::vector<FourTaps> all;
  for (int64_t at = 0; at < outSize; ++at) {
    float position = std::fma(scale, float(at) + 0.5f, -0.5f);
    float whole = std::floor(position), t = position - whole;
    FourTaps taps{{}, {outer(t + 1), inner(t), inner(1 - t), outer(2 - t)}};
    for (int64_t k = 0; k < 4; ++k)
      taps.index[k] = std::clamp<int64_t>(int64_t(whole) - 1 + k, 0, inSize - 1);
    all.push_back(taps);
  }
  return all;
}

} // namespace

std::vector<float> squashPixels(RgbView image, int64_t size, const ChannelScale &scale) {
  checkImage(image);
  checkSides("preprocessed picture", size, size, kLongestResultSide);
  std::vector<FourTaps> columns = squashTaps(image.width, size), rows = squashTaps(image.height, size);
  std::vector<float> values(size_t(3 * size * size));
  for (int64_t channel = 0; channel < 3; ++channel)
    for (int64_t y = 0; y < size; ++y)
      for (int64_t x = 0; x < size; ++x) {
        float sum = 0;
        for (int j = 0; j < 4; ++j) {
          const uint8_t *line = image.pixels + rows[size_t(y)].index[j] * image.width * 3 + channel;
          float inLine = 0;
          for (int k = 0; k < 4; ++k)
            inLine = std::fma(float(line[columns[size_t(x)].index[k] * 3]) / 255.0f, columns[size_t(x)].weight[k], inLine);
          sum = std::fma(inLine, rows[size_t(y)].weight[j], sum);
        }
        values[size_t((channel * size + y) * size + x)] = (sum - scale.mean[size_t(channel)]) / scale.std[size_t(channel)];
      }
  return values;
}

} // namespace hb
