#include "runtime/train/DataSets.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <unordered_map>

namespace hb {
namespace fs = std::filesystem;
namespace {

using Emit = std::function<bool(DataSetRecord)>;
constexpr JsonErrors kErrors{666, 666};

/// Thrown to leave a parser when no more records are wanted; never leaves this file.
struct Enough {};

[[noreturn]] void wrong(const std::string &where, const std::string &expected, const std::string &found, const std::string &action = "fetch the data set's file again") {
  throw Error(666, where, expected, found, action);
}

std::string shown(const std::string &path) { return printable(path, 1024); }

/// The first of `names` that is a file of the folder.
std::string annotationFile(const std::string &folder, const std::vector<std::string> &names) {
  std::string all;
  for (const std::string &name : names) {
    if (std::string path = joinPath(folder, name); isFile(path))
      return path;
    all += (all.empty() ? "" : " or ") + name;
  }
  wrong(shown(folder), all, isDirectory(folder) ? "a folder without it" : "no such folder", "give the folder that the data set's files were unpacked into, or another --split");
}

void elementsOf(const std::string &path, const std::string &key, const JsonElement &each) {
  MappedFile file(path);
  forEachElement({reinterpret_cast<const char *>(file.bytes().data()), static_cast<size_t>(file.size())}, shown(path), kErrors, key, each);
}

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::string withoutDots(std::string text) {
  std::erase(text, '.');
  return text;
}

// VQAv2 (visualqa.org): questions and annotations are two files that share question_id; pictures are COCO's.
void readVqa(const DataSetOptions &options, const Emit &emit) {
  const std::string &split = options.split; // "val2014"
  std::string questions = annotationFile(options.folder, {"v2_OpenEnded_mscoco_" + split + "_questions.json"});
  std::string annotations = annotationFile(options.folder, {"v2_mscoco_" + split + "_annotations.json"});
  std::string images = options.images.empty() ? joinPath(options.folder, split) : options.images;
  std::unordered_map<int64_t, std::string> answers;
  elementsOf(annotations, "annotations", [&](const std::string &, nlohmann::json &value) {
    JsonObject annotation(value, shown(annotations) + ":annotations", kErrors);
    answers[annotation.integer("question_id")] = annotation.string("multiple_choice_answer");
  });
  elementsOf(questions, "questions", [&](const std::string &, nlohmann::json &value) {
    JsonObject question(value, shown(questions) + ":questions", kErrors);
    int64_t id = question.integer("question_id"), picture = question.integer("image_id");
    auto answer = answers.find(id);
    if (answer == answers.end())
      wrong(shown(annotations), "an annotation of question_id " + std::to_string(id), "none", "take both files from the same release and split");
    if (picture < 0)
      question.fail("image_id", "a number of COCO", std::to_string(picture));
    char name[64];
    std::snprintf(name, sizeof name, "COCO_%s_%012lld.jpg", split.substr(0, 32).c_str(), static_cast<long long>(picture));
    DataSetRecord record;
    record.id = std::to_string(id);
    record.image = joinPath(images, name);
    record.question = question.string("question");
    record.answer = answer->second;
    record.prompt = record.question + " " + record.answer;
    if (!emit(std::move(record)))
      throw Enough{};
  });
}

// GQA (cs.stanford.edu/people/dorarad/gqa): one object, question id → question. The training script takes the full answer without its dot.
void readGqa(const DataSetOptions &options, const Emit &emit) {
  std::string path = annotationFile(options.folder, {options.split + "_questions.json", "questions/" + options.split + "_questions.json"});
  std::string images = options.images.empty() ? joinPath(options.folder, "images") : options.images;
  elementsOf(path, "", [&](const std::string &id, nlohmann::json &value) {
    JsonObject question(value, shown(path) + ":" + printable(id), kErrors);
    DataSetRecord record;
    record.id = id;
    record.image = joinPath(images, question.string("imageId") + ".jpg");
    record.question = question.string("question");
    record.answer = withoutDots(question.string("fullAnswer"));
    record.prompt = record.question + " " + record.answer;
    if (!emit(std::move(record)))
      throw Enough{};
  });
}

// Bongard-HOI (github.com/NVlabs/Bongard-HOI): a list of tasks, each [positives, negatives, "action++object"]. As in training, the last
// picture of each side, the query, is used: one that shows the interaction and one that does not.
void readBongard(const DataSetOptions &options, const Emit &emit) {
  std::string path = annotationFile(options.folder, {"bongard_hoi_" + options.split + ".json", "bongard_hoi_release/bongard_hoi_" + options.split + ".json"});
  std::string images = options.images.empty() ? options.folder : options.images;
  nlohmann::json tasks = parseJson(readTextFile(path, uint64_t(4) << 30), shown(path), kErrors);
  if (!tasks.is_array())
    wrong(shown(path), "a list of tasks", tasks.type_name());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const nlohmann::json &task = tasks[i];
    std::string where = shown(path) + ":[" + std::to_string(i) + "]";
    if (!task.is_array() || task.size() != 3 || !task[0].is_array() || !task[1].is_array() || task[0].empty() || task[1].empty() || !task[2].is_string())
      wrong(where, "[pictures that show it, pictures that do not, \"action++object\"]", "something else");
    std::vector<std::string> words;
    std::string rest = replaced(task[2].get<std::string>(), "_", " ");
    for (size_t at; (at = rest.find("++")) != rest.npos; rest = rest.substr(at + 2))
      words.push_back(rest.substr(0, at));
    words.push_back(rest);
    if (words.size() < 2 || words.size() > 3 || std::any_of(words.begin(), words.end(), [](const std::string &word) { return word.empty(); }))
      wrong(where, "an annotation like \"ride++bicycle\"", "'" + printable(task[2].get<std::string>()) + "'");
    DataSetRecord record;
    record.object = words.back();
    record.action = words[words.size() - 2];
    record.subject = words.size() == 3 ? words.front() : "person";
    for (bool shows : {true, false}) {
      JsonObject picture(task[shows ? 0 : 1].back(), where, kErrors);
      record.id = options.split + "-" + std::to_string(i) + (shows ? "-positive" : "-negative");
      record.image = joinPath(images, replaced(picture.string("im_path"), "./", ""));
      record.label = shows ? "positive" : "negative";
      record.answer = shows ? "yes" : "no";
      record.question = "does the picture show: " + record.subject + " " + record.action + " " + record.object;
      record.prompt = "a photo of a " + record.subject + ", " + (shows ? "" : "not ") + record.action + " " + record.object;
      if (!emit(record))
        return;
    }
  }
}

/// Every line of a text that is not empty, without its end, and its number from 1.
void forEachLine(const std::string &path, const std::function<void(const std::string &, int64_t)> &body) {
  std::string text = readTextFile(path);
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1, ++number;
    if (line.ends_with('\r'))
      line.pop_back();
    if (!line.empty())
      body(line, number);
  }
}

/// "n01440764 tench, Tinca tinca" a line → the first of the names.
std::map<std::string, std::string> synsetNames(const std::string &path) {
  std::map<std::string, std::string> names;
  forEachLine(path, [&](const std::string &line, int64_t number) {
    size_t gap = line.find_first_of(" \t");
    std::string name = gap == line.npos ? "" : line.substr(gap + 1);
    name = name.substr(0, name.find(','));
    if (gap < 2 || line[0] != 'n' || line.substr(1, gap - 1).find_first_not_of("0123456789") != line.npos || name.empty() || !isUtf8(line))
      wrong(shown(path) + ":" + std::to_string(number), "a synset and its words (n01440764 tench, Tinca tinca)", printable(line, 80));
    names[line.substr(0, gap)] = name;
  });
  if (names.empty())
    wrong(shown(path), "synsets and their words", "none");
  return names;
}

bool isPicture(const std::string &name) {
  std::string low = name;
  std::transform(low.begin(), low.end(), low.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return low.ends_with(".jpeg") || low.ends_with(".jpg") || low.ends_with(".png");
}

/// Names in a folder, sorted, so that the same tree gives the same manifest everywhere.
std::vector<std::string> sortedNames(const std::string &folder, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error))
    if (std::string name = entry.path().filename().string(); folders ? entry.is_directory() : isPicture(name))
      names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

/// LOC_val_solution.csv: "ImageId,PredictionString" and then "ILSVRC2012_val_00048981,n03995372 85 1 499 272" → pictures by class.
std::map<std::string, std::vector<std::string>> validationClasses(const std::string &path) {
  std::map<std::string, std::vector<std::string>> classes;
  forEachLine(path, [&](const std::string &line, int64_t number) {
    if (number == 1)
      return;
    size_t comma = line.find(','), gap = line.find(' ', comma == line.npos ? 0 : comma);
    if (comma == line.npos || comma == 0 || line.compare(comma + 1, 1, "n") != 0)
      wrong(shown(path) + ":" + std::to_string(number), "a picture, a comma and a synset", printable(line, 80));
    classes[line.substr(comma + 1, (gap == line.npos ? line.size() : gap) - comma - 1)].push_back(line.substr(0, comma) + ".JPEG");
  });
  for (auto &[synset, pictures] : classes)
    std::sort(pictures.begin(), pictures.end());
  return classes;
}

// ImageNet (ILSVRC2012): a folder of pictures per synset, or for its flat validation folder a table of solutions.
void readImageNet(const DataSetOptions &options, const Emit &emit) {
  std::map<std::string, std::string> names = synsetNames(annotationFile(options.folder, {"LOC_synset_mapping.txt", "synset_words.txt", "words.txt"}));
  std::string images = options.images;
  for (const std::string &below : {"ILSVRC/Data/CLS-LOC/" + options.split, options.split, std::string(".")})
    if (images.empty() && isDirectory(joinPath(options.folder, below)))
      images = joinPath(options.folder, below);
  std::map<std::string, std::vector<std::string>> classes;
  for (const std::string &folder : sortedNames(images, true))
    if (names.count(folder))
      for (const std::string &name : sortedNames(joinPath(images, folder), false))
        classes[folder].push_back(folder + "/" + name);
  if (std::string solutions = joinPath(options.folder, "LOC_" + options.split + "_solution.csv"); classes.empty() && isFile(solutions))
    classes = validationClasses(solutions);
  if (classes.empty())
    wrong(shown(images), "a folder of pictures per synset", "none that the table of synsets names", "give --images the folder with n01440764 and the like");
  for (const auto &[synset, pictures] : classes) {
    auto name = names.find(synset);
    if (name == names.end())
      wrong(shown(options.folder), "words for the synset " + printable(synset), "none in the table of synsets");
    size_t count = options.perClass > 0 ? std::min<size_t>(pictures.size(), static_cast<size_t>(options.perClass)) : pictures.size();
    for (size_t i = 0; i < count; ++i) {
      DataSetRecord record;
      record.id = synset + "/" + fs::path(pictures[i]).stem().string();
      record.image = joinPath(images, pictures[i]);
      record.question = "what is this";
      record.answer = record.object = name->second;
      record.prompt = "a photo of " + name->second;
      if (!emit(std::move(record)))
        return;
    }
  }
}

} // namespace

const std::vector<DataSet> &dataSets() {
  static const std::vector<DataSet> sets = {
      {"vqav2", "val2014", "v2_OpenEnded_mscoco_<split>_questions.json, v2_mscoco_<split>_annotations.json, <split>/COCO_<split>_<12 digits>.jpg", readVqa},
      {"gqa", "train_balanced", "<split>_questions.json, images/<id>.jpg", readGqa},
      {"bongard-hoi", "train", "bongard_hoi_<split>.json and the pictures it names, below --images", readBongard},
      {"imagenet", "train", "LOC_synset_mapping.txt or synset_words.txt, <split>/<synset>/*.JPEG (or <split>/*.JPEG and LOC_<split>_solution.csv)", readImageNet},
  };
  return sets;
}

const DataSet *findDataSet(const std::string &name) {
  for (const DataSet &set : dataSets())
    if (name == set.name)
      return &set;
  return nullptr;
}

ManifestCounts writeManifest(const DataSet &set, const DataSetOptions &given, const std::string &output) {
  DataSetOptions options = given;
  if (options.split.empty())
    options.split = set.defaultSplit;
  fs::path home = fs::absolute(output).parent_path();
  AtomicFile file(output);
  ManifestCounts counts;
  auto emit = [&](DataSetRecord record) {
    if (!isFile(record.image)) {
      if (!options.skipMissing)
        wrong(shown(record.image), "the picture of the record " + printable(record.id), whyNoFile(record.image), "give --images the folder of the pictures, or --skip-missing to leave such records out");
      ++counts.missing;
      return true;
    }
    nlohmann::ordered_json line = {{"id", record.id}, {"image", fs::absolute(record.image).lexically_normal().lexically_proximate(home.lexically_normal()).string()}, {"kind", set.name}, {"prompt", record.prompt}};
    const std::pair<const char *, std::string *> more[] = {{"question", &record.question}, {"answer", &record.answer}, {"subject", &record.subject},
                                                           {"action", &record.action},     {"object", &record.object}, {"label", &record.label}};
    for (const auto &[key, value] : more)
      if (!value->empty())
        line[key] = *value;
    file.write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    return ++counts.written != options.limit;
  };
  try {
    set.read(options, emit);
  } catch (const Enough &) {
  }
  if (!counts.written)
    throw Error(656, shown(options.folder), "at least one record", counts.missing ? std::to_string(counts.missing) + " records without a picture" : "none", "choose another --split or --images");
  file.commit();
  return counts;
}

} // namespace hb
