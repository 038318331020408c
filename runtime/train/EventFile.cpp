#include "runtime/train/EventFile.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/train/Crc32c.h"
#include "runtime/train/WholeFolder.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace hb {
namespace {

/// Builds one protobuf message: fields in the order they are added.
class Message {
public:
  Message &number(uint32_t field, double value) { return fixed(field, 1, &value, sizeof value); }
  Message &number(uint32_t field, float value) { return fixed(field, 5, &value, sizeof value); }
  Message &integer(uint32_t field, int64_t value) {
    varint(field << 3);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message &bytes(uint32_t field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    text_.append(value);
    return *this;
  }
  const std::string &text() const { return text_; }

private:
  Message &fixed(uint32_t field, uint32_t wireType, const void *value, size_t size) {
    varint(field << 3 | wireType);
    text_.append(static_cast<const char *>(value), size); // the project's targets are little-endian, as the format is
    return *this;
  }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }

  std::string text_;
};

double wallTime() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

template <typename T> void append(std::string &out, T value) { out.append(reinterpret_cast<const char *>(&value), sizeof value); }

/// Checksums stored beside their data are rotated and offset, so that data that holds checksums does not look like its own.
uint32_t masked(std::string_view data) {
  uint32_t crc = crc32c(data);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

} // namespace

std::string tfRecord(std::string_view data) {
  std::string out;
  append(out, static_cast<uint64_t>(data.size()));
  append(out, masked(out));
  out.append(data);
  append(out, masked(data));
  return out;
}

EventFile::EventFile(const std::string &folder) {
  makeFolders(folder);
  char host[256] = "host";
  ::gethostname(host, sizeof host - 1);
  path_ = joinPath(folder, "events.out.tfevents." + std::to_string(static_cast<int64_t>(wallTime())) + "." + host + "." + std::to_string(::getpid()));
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw Error(901, printable(path_, 1024), "a file that can be written", std::strerror(errno), "choose another place");
  record(Message().number(1, wallTime()).bytes(3, "brain.Event:2").text());
}

EventFile::~EventFile() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

void EventFile::record(std::string_view event) {
  // One write per record: readers follow the file while it grows.
  std::string framed = tfRecord(event);
  if (::write(descriptor_, framed.data(), framed.size()) != static_cast<ssize_t>(framed.size()))
    throw Error(901, printable(path_, 1024), "a file that can be written", std::strerror(errno), "free some space");
}

void EventFile::scalars(int64_t step, const std::vector<Scalar> &values) {
  Message summary;
  for (const Scalar &scalar : values)
    summary.bytes(1, Message().bytes(1, scalar.tag).number(2, scalar.value).text());
  record(Message().number(1, wallTime()).integer(2, step).bytes(5, summary.text()).text());
}

void EventFile::image(int64_t step, std::string_view tag, int width, int height, std::string_view png) {
  Message picture;
  picture.integer(1, height).integer(2, width).integer(3, 3).bytes(4, png); // colour space 3 is RGB
  Message value;
  value.bytes(1, tag).bytes(4, picture.text());
  record(Message().number(1, wallTime()).integer(2, step).bytes(5, Message().bytes(1, value.text()).text()).text());
}

} // namespace hb
