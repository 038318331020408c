// Small pieces of each data set, in the exact form of its official files.
#include "runtime/train/DataSets.h"

#include "tests/runtime/base/ScratchFolder.h"

#include "runtime/train/Manifest.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>

namespace hb {
namespace {

using test::expectError;

constexpr const char *kVqaQuestions = R"({"info": {"description": "This is v2.0 of the VQA dataset.", "url": "http://visualqa.org", "version": "2.0", "year": 2017, "contributor": "VQA Team", "date_created": "2017-04-26 17:00:44"},
"task_type": "Open-Ended", "data_type": "mscoco", "license": {"url": "http://creativecommons.org/licenses/by/4.0/", "name": "Creative Commons Attribution 4.0 International License"}, "data_subtype": "val2014",
"questions": [{"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000}, {"image_id": 393225, "question": "Is this a creamy soup?", "question_id": 393225000}]})";
constexpr const char *kVqaAnnotations = R"({"info": {"description": "This is v2.0 of the VQA dataset.", "version": "2.0"}, "license": {"name": "CC"}, "data_subtype": "val2014", "annotations": [
{"question_type": "is this a", "multiple_choice_answer": "no", "answers": [{"answer": "no", "answer_confidence": "yes", "answer_id": 1}], "image_id": 393225, "answer_type": "yes/no", "question_id": 393225000},
{"question_type": "where is", "multiple_choice_answer": "down", "answers": [{"answer": "down", "answer_confidence": "yes", "answer_id": 1}, {"answer": "at table", "answer_confidence": "maybe", "answer_id": 2}],
 "image_id": 262148, "answer_type": "other", "question_id": 262148000}], "data_type": "mscoco"})";
constexpr const char *kGqaQuestions = R"j({"07333408": {"semantic": [{"operation": "select", "dependencies": [], "argument": "wall (722332)"}], "entailed": [], "equivalent": ["07333408"], "question": "What is on the white wall?",
"imageId": "2375429", "isBalanced": true, "groups": {"global": null, "local": "14-wall_on,s"}, "answer": "pipe", "semanticStr": "select: wall (722332)", "annotations": {"answer": {"0": "722335"}, "question": {"4:6": "722332"}},
"types": {"detailed": "relS", "semantic": "rel", "structural": "query"}, "fullAnswer": "The pipe is on the wall."},
"15736264": {"question": "Is the tall clock small?", "imageId": "2368326", "isBalanced": true, "answer": "yes", "fullAnswer": "Yes, the clock is small."}})j";
constexpr const char *kBongard = R"([[[{"im_path": "./hake_images_20190730/a0.jpg", "crop_bbox": [1, 2, 3, 4], "sub_bbox": [1, 2, 3, 4], "obj_bbox": [1, 2, 3, 4], "act_id": 3},
{"im_path": "./pic/image/val/a1.jpg", "crop_bbox": [0, 0, 9, 9], "sub_bbox": [1, 2, 3, 4], "obj_bbox": [1, 2, 3, 4]}], [{"im_path": "./hcvrd/b0.jpg"}, {"im_path": "./vcoco/val2014/b1.jpg"}], "sit_on++dining_table"]])";

class DataSets : public testing::Test {
protected:
  test::ScratchFolder folder;

  void write(const std::string &name, const std::string &text = "picture") { folder.write(name, text); }
  /// The lines that a data set gives, from `in` to out/m.jsonl.
  std::vector<nlohmann::json> lines(const std::string &kind, DataSetOptions options = {}) {
    std::filesystem::create_directories(folder.path("out"));
    options.folder = folder.path("in");
    counts = writeManifest(*findDataSet(kind), options, folder.path("out/m.jsonl"));
    std::vector<nlohmann::json> all;
    std::ifstream file(folder.path("out/m.jsonl"));
    for (std::string line; std::getline(file, line);)
      all.push_back(nlohmann::json::parse(line));
    // Whatever was written is a manifest whose pictures are there.
    Manifest manifest = Manifest::read(folder.path("out/m.jsonl"));
    EXPECT_EQ(manifest.records.size(), all.size());
    for (const TrainRecord &record : manifest.records)
      EXPECT_TRUE(std::filesystem::is_regular_file(record.image)) << record.image;
    return all;
  }
  ManifestCounts counts;
};

TEST_F(DataSets, Vqav2) {
  write("in/v2_OpenEnded_mscoco_val2014_questions.json", kVqaQuestions);
  write("in/v2_mscoco_val2014_annotations.json", kVqaAnnotations);
  write("in/val2014/COCO_val2014_000000262148.jpg");
  write("in/val2014/COCO_val2014_000000393225.jpg");
  std::vector<nlohmann::json> all = lines("vqav2");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0], nlohmann::json::parse(R"({"id": "262148000", "image": "../in/val2014/COCO_val2014_000000262148.jpg", "kind": "vqav2", "prompt": "Where is he looking? down",
    "question": "Where is he looking?", "answer": "down"})"));
  EXPECT_EQ(all[1]["answer"], "no");
  DataSetOptions one;
  one.limit = 1;
  EXPECT_EQ(lines("vqav2", one).size(), 1u);
}

TEST_F(DataSets, Gqa) {
  write("in/train_balanced_questions.json", kGqaQuestions);
  write("in/images/2375429.jpg");
  write("in/images/2368326.jpg");
  std::vector<nlohmann::json> all = lines("gqa");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0], nlohmann::json::parse(R"({"id": "07333408", "image": "../in/images/2375429.jpg", "kind": "gqa", "prompt": "What is on the white wall? The pipe is on the wall",
    "question": "What is on the white wall?", "answer": "The pipe is on the wall"})"));
  EXPECT_EQ(all[1]["answer"], "Yes, the clock is small");
}

TEST_F(DataSets, BongardHoi) {
  write("in/bongard_hoi_train.json", kBongard);
  write("pictures/pic/image/val/a1.jpg");
  write("pictures/vcoco/val2014/b1.jpg");
  DataSetOptions options;
  options.images = folder.path("pictures");
  std::vector<nlohmann::json> all = lines("bongard-hoi", options);
  ASSERT_EQ(all.size(), 2u) << "the query of each side";
  EXPECT_EQ(all[0], nlohmann::json::parse(R"({"id": "train-0-positive", "image": "../pictures/pic/image/val/a1.jpg", "kind": "bongard-hoi", "prompt": "a photo of a person, sit on dining table",
    "question": "does the picture show: person sit on dining table", "answer": "yes", "subject": "person", "action": "sit on", "object": "dining table", "label": "positive"})"));
  EXPECT_EQ(all[1]["image"], "../pictures/vcoco/val2014/b1.jpg");
  EXPECT_EQ(all[1]["label"], "negative");
  write("in/bongard_hoi_test_seen_obj_seen_act.json", std::string(kBongard).replace(std::string(kBongard).find("sit_on++"), 0, "dog++"));
  options.split = "test_seen_obj_seen_act";
  EXPECT_EQ(lines("bongard-hoi", options)[0]["prompt"], "a photo of a dog, sit on dining table");
}

TEST_F(DataSets, ImageNet) {
  write("in/LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\r\n");
  for (const char *name : {"n01440764_9", "n01440764_10", "n01440764_1"})
    write(std::string("in/ILSVRC/Data/CLS-LOC/train/n01440764/") + name + ".JPEG");
  write("in/ILSVRC/Data/CLS-LOC/train/n01443537/n01443537_2.JPEG");
  write("in/ILSVRC/Data/CLS-LOC/train/n01443537/notes.txt");
  write("in/ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002.JPEG");
  DataSetOptions options;
  options.perClass = 2;
  std::vector<nlohmann::json> all = lines("imagenet", options);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], nlohmann::json::parse(R"({"id": "n01440764/n01440764_1", "image": "../in/ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_1.JPEG", "kind": "imagenet", "prompt": "a photo of tench",
    "question": "what is this", "answer": "tench", "object": "tench"})"));
  EXPECT_EQ(all[1]["id"], "n01440764/n01440764_10");
  EXPECT_EQ(all[2]["prompt"], "a photo of goldfish");
  // The validation pictures lie flat; a table says what they show.
  options.split = "val";
  write("in/LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000002,n01443537 85 1 499 272 \n");
  all = lines("imagenet", options);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["answer"], "goldfish");
  // Folders per synset without anything above them, words in the older file.
  std::filesystem::rename(folder.path("in"), folder.path("kaggle"));
  write("in/synset_words.txt", "n01440764 tench, Tinca tinca\n");
  write("in/n01440764/a.jpg");
  EXPECT_EQ(lines("imagenet").size(), 1u);
}

TEST_F(DataSets, MissingPictures) {
  write("in/train_balanced_questions.json", kGqaQuestions);
  write("in/images/2368326.jpg");
  expectError(666, [&] { lines("gqa"); }, {"2375429.jpg", "07333408", "--skip-missing"});
  EXPECT_FALSE(std::filesystem::exists(folder.path("out/m.jsonl")));
  DataSetOptions options;
  options.skipMissing = true;
  EXPECT_EQ(lines("gqa", options).size(), 1u);
  EXPECT_EQ(counts.missing, 1);
  std::filesystem::remove(folder.path("in/images/2368326.jpg"));
  expectError(656, [&] { lines("gqa", options); }, {"2 records without a picture"});
}

TEST_F(DataSets, WrongFiles) {
  auto refused = [&](const std::string &kind, const std::string &name, const std::string &text, const std::vector<std::string> &words) {
    write("in/" + name, text);
    expectError(666, [&] { lines(kind); }, words);
  };
  expectError(666, [&] { lines("gqa"); }, {"train_balanced_questions.json", "no such folder"});
  write("in/readme", "");
  expectError(666, [&] { lines("vqav2"); }, {"v2_OpenEnded_mscoco_val2014_questions.json"});
  write("in/v2_mscoco_val2014_annotations.json", R"({"annotations": []})");
  refused("vqav2", "v2_OpenEnded_mscoco_val2014_questions.json", kVqaQuestions, {"question_id 262148000"});
  refused("vqav2", "v2_OpenEnded_mscoco_val2014_questions.json", R"({"data": []})", {"questions"});
  refused("vqav2", "v2_OpenEnded_mscoco_val2014_questions.json", R"({"questions": [{"question_id": "x"}]})", {"question_id", "an integer"});
  refused("vqav2", "v2_mscoco_val2014_annotations.json", R"({"annotations": [{"question_id": 5}]})", {"multiple_choice_answer"});
  const std::string gqa = "train_balanced_questions.json";
  refused("gqa", gqa, std::string(kGqaQuestions).substr(0, 300), {gqa});
  refused("gqa", gqa, R"({"1": {"question": "q", "imageId": "2", "answer": "a"}})", {gqa + ":1", "fullAnswer"}); // a test split has no answers
  refused("gqa", gqa, "[]", {"a JSON object"});
  const std::string bongard = "bongard_hoi_train.json";
  refused("bongard-hoi", bongard, "{}", {"a list of tasks"});
  refused("bongard-hoi", bongard, R"([[[], [], "a++b"]])", {"[0]"});
  refused("bongard-hoi", bongard, R"([[[{"im_path": "a"}], [{"im_path": "b"}], "ride"]])", {"[0]", "'ride'"});
  refused("bongard-hoi", bongard, R"([[[{"path": "a"}], [{"im_path": "b"}], "ride++bus"]])", {"[0]", "im_path"});
  refused("imagenet", "LOC_synset_mapping.txt", "tench, Tinca tinca\n", {"LOC_synset_mapping.txt:1"});
  refused("imagenet", "LOC_synset_mapping.txt", "\n", {"synsets and their words"});
  refused("imagenet", "LOC_synset_mapping.txt", "n01440764 tench\n", {"a folder of pictures per synset"});
  write("in/train/p.JPEG");
  refused("imagenet", "LOC_train_solution.csv", "ImageId,PredictionString\np n01440764\n", {"LOC_train_solution.csv:2"});
  refused("imagenet", "LOC_train_solution.csv", "ImageId,PredictionString\np,n09 1 2 3 4\n", {"n09"});
}

} // namespace
} // namespace hb
