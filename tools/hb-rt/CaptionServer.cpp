#include "tools/hb-rt/CaptionServer.h"

#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

namespace hb::rt {
namespace {

constexpr double kLongestDelay = 60;
constexpr const char *kForm = " Answer with one short, clear sentence in the style of a prompt for an image generator, without introduction.";

/// What to ask for the kinds of records that `hb-rt manifest` writes; the first whose key the record has a value for.
struct Instruction {
  const char *kind, *text;
};
constexpr Instruction kInstructions[] = {
    {"vqav2", "Describe the key elements of this picture, above all those that the question \"{question}\" is about. Its answer is \"{answer}\"."},
    {"gqa", "Describe the key elements of this picture, above all those that the question \"{question}\" is about. Its answer is \"{answer}\"."},
    {"bongard-hoi", "Describe the key elements of this picture and how the {subject} and the {object} interact. Does it show \"{subject} {action} {object}\"? The answer is \"{answer}\"."},
    {"imagenet", "Describe the key elements of this picture, above all the {object} that it shows."},
    {"", "Describe the key elements of this picture. It is about: {prompt}."},
};
constexpr const char *kPlaceholders[] = {"question", "answer", "prompt", "subject", "action", "object"};

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = word << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += k <= left ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

/// The file as it is, as a data URL: the server sees what the data set holds.
std::string dataUrl(const std::string &path) {
  std::string bytes = readTextFile(path);
  const char *type = bytes.starts_with("\x89PNG") ? "image/png" : bytes.starts_with("\xFF\xD8\xFF") ? "image/jpeg" : nullptr;
  if (!type)
    throw Error(610, printable(path, 1024), "a picture in PNG or JPEG format", "another format", "convert it to PNG");
  return "data:" + std::string(type) + ";base64," + base64(bytes);
}

/// One line, without blanks at the ends and without the "Yes, " that answers a question nobody will see.
std::string cleaned(std::string text) {
  for (char &c : text)
    if (c == '\n' || c == '\r' || c == '\t')
      c = ' ';
  auto trim = [&] {
    size_t begin = text.find_first_not_of(' '), end = text.find_last_not_of(' ');
    text = begin == text.npos ? "" : text.substr(begin, end - begin + 1);
  };
  trim();
  for (const char *start : {"Yes, ", "No, "})
    if (text.starts_with(start))
      text = text.substr(std::string_view(start).size());
  trim();
  return text;
}

std::string answerOf(const std::string &url, const std::string &body) {
  constexpr JsonErrors kErrors{672, 672};
  nlohmann::json document = parseJson(body, url, kErrors);
  JsonObject root(document, url, kErrors);
  const nlohmann::json &choices = root.require("choices");
  if (!choices.is_array() || choices.empty())
    root.fail("choices", "a list with an answer", "none");
  std::string text = cleaned(JsonObject(choices[0], url, kErrors, "choices[0]").object("message").string("content"));
  if (text.empty())
    root.fail("choices[0].message.content", "a description", "an empty one");
  return text;
}

} // namespace

std::string captionInstruction(const std::string &prompt, const nlohmann::ordered_json &record) {
  auto value = [&](const std::string &key) { return record.contains(key) && record[key].is_string() ? record[key].get<std::string>() : std::string(); };
  std::string text = prompt, kind = value("kind"), filled;
  if (text.empty())
    for (const Instruction &row : kInstructions)
      if (text.empty() && (kind == row.kind || !*row.kind))
        text = std::string(row.text) + kForm;
  for (size_t at = 0; at < text.size();) {
    size_t open = std::min(text.find('{', at), text.size()), close = text.find('}', open);
    filled += text.substr(at, open - at);
    if (open == text.size())
      break;
    std::string name = close == text.npos ? text.substr(open) : text.substr(open + 1, close - open - 1);
    if (std::find(std::begin(kPlaceholders), std::end(kPlaceholders), name) == std::end(kPlaceholders))
      throw Error(674, "--prompt", "{question}, {answer}, {prompt}, {subject}, {action} or {object}", "{" + printable(name) + "}", "correct the placeholder");
    filled += value(name);
    at = close + 1;
  }
  return filled;
}

CaptionServer::CaptionServer(const CaptionOptions &options, std::function<bool()> stop) : options_(options), stop_(std::move(stop)), url_(options.endpoint) {
  while (url_.ends_with("/"))
    url_.pop_back();
  if (!url_.ends_with("/chat/completions"))
    url_ += "/chat/completions";
  headers_ = {"Content-Type: application/json", "Expect:"}; // no wait for a "continue" before pictures of some size
  if (const char *key = std::getenv(options.keyVariable.c_str()); key && *key)
    headers_.push_back("Authorization: Bearer " + std::string(key));
}

std::string CaptionServer::describe(const std::string &picture, const std::string &instruction) {
  nlohmann::ordered_json request = {{"model", options_.model}, {"max_tokens", options_.maxTokens}, {"temperature", 0}};
  request["messages"] = {{{"role", "user"}, {"content", {{{"type", "text"}, {"text", instruction}}, {{"type", "image_url"}, {"image_url", {{"url", dataUrl(picture)}}}}}}}};
  std::string body = request.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), found;
  // Threads that were refused together must not come back together.
  static thread_local std::minstd_rand random{std::random_device{}()};
  for (int64_t attempt = 0; attempt <= options_.retries; ++attempt) {
    HttpReply reply = client_.post(url_, headers_, body, options_.timeout, stop_);
    if (stop_())
      return "";
    if (reply.status == 200)
      return answerOf(printable(url_, 1024), reply.body);
    found = reply.status ? "status " + std::to_string(reply.status) + ": " + printable(reply.body) : reply.failure;
    bool busy = reply.status == 408 || reply.status == 429 || reply.status >= 500;
    if (!busy && !reply.temporary)
      throw Error(672, printable(url_, 1024), "an answer of a chat server", found, "check --endpoint, --model and the key in " + options_.keyVariable);
    double delay = std::min(kLongestDelay, options_.retryDelay * static_cast<double>(int64_t(1) << std::min<int64_t>(attempt, 20)));
    delay = std::max(reply.retryAfter, delay * std::uniform_real_distribution<double>(0.5, 1)(random));
    auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(attempt < options_.retries ? delay : 0);
    while (std::chrono::steady_clock::now() < end) {
      if (stop_())
        return "";
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  throw Error(671, printable(url_, 1024), "an answer", found + ", " + std::to_string(options_.retries + 1) + " times", "run the same command again later: what was described is kept");
}

} // namespace hb::rt
