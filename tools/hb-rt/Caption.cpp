// hb-rt caption: context descriptions for a manifest, by a multimodal model behind an OpenAI-compatible chat server.
#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/train/Manifest.h"
#include "tools/hb-rt/CaptionServer.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/Progress.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace hb::rt {
namespace {

namespace fs = std::filesystem;

struct Options : CaptionOptions {
  std::string manifest, output;
  bool overwrite = false, quiet = false;
};

/// OUT.partial: a line that says whose captions these are, then one per description, appended as they come. A line cut off by a kill is dropped.
class CaptionLog {
public:
  CaptionLog(const std::string &path, const nlohmann::ordered_json &head) : path_(path) {
    if (isFile(path))
      read(head);
    std::string kept = head.dump() + "\n";
    for (const auto &[line, text] : done)
      kept += entry(line, text);
    writeFileAtomically(path, kept);
    file_.reset(std::fopen(path.c_str(), "ae"));
    if (!file_)
      fail();
  }
  void add(int64_t line, const std::string &text) {
    std::string bytes = entry(line, text);
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() || std::fflush(file_.get()) != 0)
      fail();
    done[line] = text;
  }
  std::map<int64_t, std::string> done; ///< by line of the manifest

private:
  static std::string entry(int64_t line, const std::string &text) { return nlohmann::ordered_json{{"line", line}, {"context_description", text}}.dump() + "\n"; }
  void read(const nlohmann::ordered_json &head) {
    std::string text = readTextFile(path_, uint64_t(1) << 32);
    bool first = true;
    for (size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1, first = false) {
      nlohmann::json line = nlohmann::json::parse(text.substr(begin, end - begin), nullptr, false);
      if (first && line != nlohmann::json(head))
        throw Error(673, printable(path_, 1024), "descriptions of the same manifest, model and prompt", line.is_discarded() ? "another file" : printable(line.dump()), "remove the file, or give the earlier settings or another output");
      if (!first && line.is_object() && line.value("line", nlohmann::json()).is_number_integer() && line.value("context_description", nlohmann::json()).is_string())
        done[line["line"].get<int64_t>()] = line["context_description"].get<std::string>();
    }
  }
  [[noreturn]] void fail() const { throw Error(901, printable(path_, 1024), "a file that can be written", std::strerror(errno), "free some space and run the same command again"); }

  struct Close {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// The manifest's lines as they are, for what nobody here reads.
std::map<int64_t, nlohmann::ordered_json> linesOf(const std::string &path) {
  std::map<int64_t, nlohmann::ordered_json> lines;
  std::string text = readTextFile(path, uint64_t(1) << 32);
  int64_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    size_t end = std::min(text.find('\n', begin), text.size());
    if (std::string line = text.substr(begin, end - begin); line.find_first_not_of(" \t\r") != line.npos)
      lines[number] = nlohmann::ordered_json::parse(line);
    begin = end + 1;
  }
  return lines;
}

void writeOutput(const Options &options, const Manifest &manifest, std::map<int64_t, nlohmann::ordered_json> &lines, const std::map<int64_t, std::string> &texts) {
  fs::path home = fs::absolute(options.output).parent_path().lexically_normal();
  bool moved = home != fs::absolute(options.manifest).parent_path().lexically_normal();
  AtomicFile file(options.output);
  for (const TrainRecord &record : manifest.records) {
    nlohmann::ordered_json &line = lines[record.line];
    if (auto text = texts.find(record.line); text != texts.end())
      line["context_description"] = text->second;
    if (moved && !line["image"].get<std::string>().starts_with("/")) // paths are relative to their manifest
      line["image"] = fs::absolute(record.image).lexically_normal().lexically_proximate(home).string();
    file.write(line.dump() + "\n");
  }
  file.commit();
}

class CaptionProgress {
public:
  CaptionProgress(bool quiet, int64_t total) : quiet_(quiet), total_(total), started_(std::chrono::steady_clock::now()) {}
  void done(int64_t count) {
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count(), rate = static_cast<double>(count) / std::max(1e-9, seconds);
    if (!quiet_)
      std::fprintf(stderr, "record %lld/%lld, %.3g records/s, %s left\n", static_cast<long long>(count), static_cast<long long>(total_), rate, durationText(static_cast<double>(total_ - count) / rate).c_str());
  }

private:
  bool quiet_;
  int64_t total_;
  std::chrono::steady_clock::time_point started_;
};

int caption(const Options &options) {
  Manifest manifest = Manifest::read(options.manifest);
  std::map<int64_t, nlohmann::ordered_json> lines = linesOf(options.manifest);
  // Everything that can be wrong here is found before the first picture is sent.
  std::map<int64_t, std::string> instructions;
  for (const TrainRecord &record : manifest.records) {
    instructions[record.line] = captionInstruction(options.prompt, lines[record.line]);
    if (!isFile(record.image))
      throw Error(655, printable(manifest.path, 1024) + ":" + std::to_string(record.line) + ":image", "a picture", printable(record.image) + ": " + whyNoFile(record.image), "correct the path; it is relative to the manifest");
  }
  std::string partial = options.output + ".partial";
  CaptionLog log(partial, {{"manifest", manifest.fingerprint}, {"model", options.model}, {"prompt", options.prompt}});
  std::vector<const TrainRecord *> todo;
  for (const TrainRecord &record : manifest.records)
    if ((record.context.empty() || options.overwrite) && !log.done.count(record.line))
      todo.push_back(&record);
  if (!log.done.empty())
    std::fprintf(stderr, "note: %zu descriptions of an earlier run are kept.\n", log.done.size());

  InterruptGuard interrupt;
  CaptionProgress progress(options.quiet, static_cast<int64_t>(todo.size()));
  std::mutex lock;
  std::exception_ptr failure;
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  int64_t finished = 0;
  auto work = [&] {
    try {
      auto stop = [&] { return interrupt.requested() || failed; };
      CaptionServer server(options, stop);
      for (size_t i; !stop() && (i = next++) < todo.size();) {
        std::string text = server.describe(todo[i]->image, instructions[todo[i]->line]);
        if (text.empty())
          return;
        std::lock_guard guard(lock);
        log.add(todo[i]->line, text);
        progress.done(++finished);
      }
    } catch (...) {
      std::lock_guard guard(lock);
      if (!failed.exchange(true))
        failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (int64_t t = 1; t < options.parallel; ++t)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (failure)
    std::rethrow_exception(failure);
  if (interrupt.requested() && finished < static_cast<int64_t>(todo.size())) {
    std::fprintf(stderr, "interrupted: %zu descriptions are kept in %s; run the same command again to continue.\n", log.done.size(), partial.c_str());
    return static_cast<int>(ExitCode::Interrupted);
  }
  writeOutput(options, manifest, lines, log.done);
  std::remove(partial.c_str());
  std::printf("%s\n", options.output.c_str());
  return 0;
}

} // namespace

Action addCaption(CLI::App &app) {
  auto options = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("caption", "fill a manifest's context descriptions through an OpenAI-compatible chat server");
  sub->add_option("--endpoint", options->endpoint, "the server, e.g. http://localhost:8000/v1")->required();
  sub->add_option("--manifest", options->manifest, "the manifest to describe; records that have a description keep it")->required();
  sub->add_option("-o,--output", options->output, "the manifest to write, when all is done; until then OUT.partial keeps what is")->required();
  sub->add_option("--model", options->model, "the model's name, as the server knows it");
  sub->add_option("--prompt", options->prompt, "the instruction; {question}, {answer}, {prompt}, {subject}, {action}, {object} stand for the record's values (default: one for each kind of record)");
  sub->add_option("--max-tokens", options->maxTokens, "longest description")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--parallel", options->parallel, "requests at once")->check(CLI::Range(1, 256))->capture_default_str();
  sub->add_option("--timeout", options->timeout, "seconds for one answer")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--retries", options->retries, "how often to ask again when the server is busy (408, 429, 5xx) or does not answer")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--retry-delay", options->retryDelay, "seconds before the first retry; doubled each time, up to a minute")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--key-variable", options->keyVariable, "the environment variable with the server's key, if it wants one")->capture_default_str();
  sub->add_flag("--overwrite", options->overwrite, "describe records anew that have a description");
  sub->add_flag("--quiet", options->quiet, "no progress");
  return [options] { return caption(*options); };
}

} // namespace hb::rt
