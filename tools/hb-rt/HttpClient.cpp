#include "tools/hb-rt/HttpClient.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cstdlib>
#include <curl/curl.h>
#include <dlfcn.h>

namespace hb::rt {
namespace {

/// The functions used, by their names; options and types are those of libcurl's own headers, whose numbers never change.
struct Curl {
  decltype(&curl_global_init) globalInit = nullptr;
  decltype(&curl_easy_init) init = nullptr;
  decltype(&curl_easy_setopt) set = nullptr;
  decltype(&curl_easy_perform) perform = nullptr;
  decltype(&curl_easy_getinfo) info = nullptr;
  decltype(&curl_easy_reset) reset = nullptr;
  decltype(&curl_easy_cleanup) cleanup = nullptr;
  decltype(&curl_easy_strerror) explain = nullptr;
  decltype(&curl_slist_append) append = nullptr;
  decltype(&curl_slist_free_all) freeAll = nullptr;
};

const Curl &curl() {
  static const Curl functions = [] {
    void *library = nullptr;
    for (const char *name : {"libcurl.so.4", "libcurl-gnutls.so.4"})
      if (!library)
        library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      throw Error(670, "libcurl.so.4", "libcurl, for HTTP", "no such library", "install it (Debian: libcurl4)");
    Curl c;
    auto get = [&](auto &function, const char *name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
      if (!function)
        throw Error(670, name, "a function of libcurl", "a library without it", "install libcurl 7.32 or newer (Debian: libcurl4)");
    };
    get(c.globalInit, "curl_global_init");
    get(c.init, "curl_easy_init");
    get(c.set, "curl_easy_setopt");
    get(c.perform, "curl_easy_perform");
    get(c.info, "curl_easy_getinfo");
    get(c.reset, "curl_easy_reset");
    get(c.cleanup, "curl_easy_cleanup");
    get(c.explain, "curl_easy_strerror");
    get(c.append, "curl_slist_append");
    get(c.freeAll, "curl_slist_free_all");
    c.globalInit(CURL_GLOBAL_DEFAULT);
    return c;
  }();
  return functions;
}

/// A server that talks without end must not fill the memory.
constexpr size_t kMaxReply = 16u << 20;

size_t onBody(char *data, size_t size, size_t count, void *target) {
  std::string &body = *static_cast<std::string *>(target);
  if (body.size() + size * count > kMaxReply)
    return 0;
  body.append(data, size * count);
  return size * count;
}

size_t onHeader(char *data, size_t size, size_t count, void *target) {
  std::string line(data, size * count);
  std::transform(line.begin(), line.end(), line.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (line.starts_with("retry-after:")) // seconds; a date counts as nothing
    static_cast<HttpReply *>(target)->retryAfter = std::clamp(std::atof(line.c_str() + 12), 0.0, 3600.0);
  return size * count;
}

int onProgress(void *stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return (*static_cast<const std::function<bool()> *>(stop))(); }

bool passes(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
         code == CURLE_PARTIAL_FILE;
}

} // namespace

HttpClient::HttpClient() : handle_(curl().init()) {}

HttpClient::~HttpClient() { curl().cleanup(handle_); }

HttpReply HttpClient::post(const std::string &url, const std::vector<std::string> &headers, const std::string &body, double timeout, const std::function<bool()> &stop) {
  const Curl &c = curl();
  HttpReply reply;
  curl_slist *list = nullptr;
  for (const std::string &header : headers)
    list = c.append(list, header.c_str());
  c.reset(handle_); // keeps the connection
  c.set(handle_, CURLOPT_URL, url.c_str());
  c.set(handle_, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  c.set(handle_, CURLOPT_NOSIGNAL, 1L);
  c.set(handle_, CURLOPT_HTTPHEADER, list);
  c.set(handle_, CURLOPT_POSTFIELDS, body.data());
  c.set(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  c.set(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout * 1000));
  c.set(handle_, CURLOPT_WRITEFUNCTION, onBody);
  c.set(handle_, CURLOPT_WRITEDATA, &reply.body);
  c.set(handle_, CURLOPT_HEADERFUNCTION, onHeader);
  c.set(handle_, CURLOPT_HEADERDATA, &reply);
  c.set(handle_, CURLOPT_NOPROGRESS, 0L);
  c.set(handle_, CURLOPT_XFERINFOFUNCTION, onProgress);
  c.set(handle_, CURLOPT_XFERINFODATA, &stop);
  CURLcode code = c.perform(handle_);
  c.freeAll(list);
  if (code == CURLE_OK) {
    c.info(handle_, CURLINFO_RESPONSE_CODE, &reply.status);
  } else {
    reply.failure = c.explain(code);
    reply.temporary = passes(code);
  }
  return reply;
}

} // namespace hb::rt
