// TensorBoard's event files, as far as scalars and pictures need them.
//
// Public sources: TFRecord framing (length, masked CRC-32C of the length, data, masked CRC-32C of the data; all little-endian) from TensorFlow's
// documentation; fields of the messages Event and Summary from event.proto and summary.proto; protobuf's wire format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

class EventFile {
public:
  /// A new events.out.tfevents.<time>.<host>.<process> in a folder, which is made when missing. HB0901.
  explicit EventFile(const std::string &folder);
  EventFile(const EventFile &) = delete;
  EventFile &operator=(const EventFile &) = delete;
  ~EventFile();

  const std::string &path() const { return path_; }
  struct Scalar {
    std::string tag;
    float value;
  };
  void scalars(int64_t step, const std::vector<Scalar> &values);
  /// A picture that is PNG already.
  void image(int64_t step, std::string_view tag, int width, int height, std::string_view png);

private:
  void record(std::string_view event);

  std::string path_;
  int descriptor_ = -1;
};

/// One framed record; exposed for the test.
std::string tfRecord(std::string_view data);

} // namespace hb
