// HTTP requests through libcurl, which is loaded when the first one is made: nothing else of hb-rt needs it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hb::rt {

struct HttpReply {
  long status = 0;      ///< 0: no reply at all
  std::string body;
  std::string failure;  ///< why there is no reply
  bool temporary = false; ///< no reply for a reason that may pass: no connection, a timeout
  double retryAfter = 0;  ///< what the server asks to wait, in seconds; 0: nothing
};

/// One connection, kept open between requests. Not shared between threads.
class HttpClient {
public:
  /// HB0670 when libcurl is not installed.
  HttpClient();
  HttpClient(const HttpClient &) = delete;
  ~HttpClient();

  /// POST; gives up when `stop` says so (asked about once a second while nothing happens) or after `timeout` seconds.
  HttpReply post(const std::string &url, const std::vector<std::string> &headers, const std::string &body, double timeout, const std::function<bool()> &stop);

private:
  void *handle_ = nullptr;
};

} // namespace hb::rt
