// Model folders: components, pipelines, shards, and checkpoints that do not fit.
#include "tests/frontend/Fixture.h"

namespace hb {
namespace {

constexpr const char *kTextConfig = R"({"architectures": ["CLIPTextModel"], "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
  "vocab_size": 20, "max_position_embeddings": 9, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05, "eos_token_id": 2})";

std::vector<Stored> textTensors(DType dtype = DType::F16) {
  std::vector<Stored> tensors{{"text_model.embeddings.token_embedding.weight", {20, 8}, dtype}, {"text_model.embeddings.position_embedding.weight", {9, 8}, dtype}};
  auto pair = [&](const std::string &name, std::vector<int64_t> weight) {
    tensors.push_back({name + ".weight", weight, dtype});
    tensors.push_back({name + ".bias", {weight[0]}, dtype});
  };
  std::string layer = "text_model.encoder.layers.0.";
  for (const char *name : {"q_proj", "k_proj", "v_proj", "out_proj"})
    pair(layer + "self_attn." + name, {8, 8});
  pair(layer + "layer_norm1", {8});
  pair(layer + "layer_norm2", {8});
  pair(layer + "mlp.fc1", {16, 8});
  pair(layer + "mlp.fc2", {8, 16});
  pair("text_model.final_layer_norm", {8});
  return tensors;
}

struct TextFolder : Folder {
  explicit TextFolder(const std::vector<Stored> &tensors = textTensors(), const std::string &config = kTextConfig) {
    text("config.json", config);
    weights("model.safetensors", tensors);
  }
  Imported import(ImportOptions options = {}, bool locations = false) {
    options.model = path();
    return hb::import(options, *this, locations);
  }
};

TEST(Import, Component) {
  TextFolder folder;
  ImportOptions options;
  options.dims = {{"B", 3}};
  Imported result = folder.import(options, true);
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, R"(func.func @text_encode(%arg0: tensor<3x9xi64> {nn.name = "input_ids"})")) << result.module;
  EXPECT_TRUE(contains(result.module, R"({nn.name = "pooled"})"));
  EXPECT_TRUE(contains(result.module, R"(nn.param "" "text_model.encoder.layers.0.mlp.fc1.weight" : tensor<16x8xf16>)"));
  EXPECT_TRUE(contains(result.module, R"(nn.scopes = [{files = ["model.safetensors"], name = "", path = ")"));
  EXPECT_TRUE(contains(result.module, R"(class = "CLIPTextModel", kind = "component")"));
  // Locations: the module's path, and the line of the program.
  EXPECT_TRUE(contains(result.module, R"(loc("text_model.encoder.layers.0.mlp.fc1"(#loc)"));
  EXPECT_TRUE(contains(result.module, R"(loc("models/nn.hb":)"));
}

TEST(Import, DerivedEntries) {
  TextFolder folder;
  ImportOptions options;
  // Ids have no gradient: the entry says nothing of vjp, so there is none to ask for.
  options.entries = {"text_encode_vjp"};
  Imported none = folder.import(options);
  EXPECT_TRUE(contains(none.messages, "error HB0703: --entry text_encode_vjp: expected one of text_encode;")) << none.messages;
}

TEST(Import, Shards) {
  TextFolder folder;
  std::filesystem::remove(folder.path("model.safetensors"));
  auto tensors = textTensors();
  std::string map;
  for (size_t i = 0; i < tensors.size(); ++i)
    map += (i ? ", \"" : "\"") + tensors[i].name + "\": \"model-0000" + (i % 2 ? "2" : "1") + "-of-00002.safetensors\"";
  std::vector<Stored> halves[2];
  for (size_t i = 0; i < tensors.size(); ++i)
    halves[i % 2].push_back(tensors[i]);
  folder.weights("model-00001-of-00002.safetensors", halves[0]);
  folder.weights("model-00002-of-00002.safetensors", halves[1]);
  folder.text("model.safetensors.index.json", "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {" + map + "}}");
  Imported result = folder.import();
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, R"(files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])"));
}

TEST(Import, EveryProblemOfACheckpoint) {
  auto tensors = textTensors();
  std::erase_if(tensors, [](const Stored &tensor) { return tensor.name.ends_with("q_proj.bias"); });
  for (Stored &tensor : tensors) {
    if (tensor.name.ends_with("fc1.weight"))
      tensor.shape = {8, 16};
    if (tensor.name.ends_with("fc2.bias"))
      tensor.dtype = DType::I64;
    if (tensor.name.ends_with("layer_norm1.bias"))
      tensor.name += "es";
  }
  TextFolder folder(tensors);
  Imported result = folder.import();
  EXPECT_EQ(result.code, ExitCode::BadFile);
  EXPECT_TRUE(contains(result.messages, "HB0230: " + folder.path() + ":text_model.encoder.layers.0.self_attn.q_proj.bias: expected a parameter [8]; found no such tensor")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "HB0231: model.safetensors:text_model.encoder.layers.0.mlp.fc1.weight: expected a parameter [16, 8]; found [8, 16]")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "HB0232: model.safetensors:text_model.encoder.layers.0.mlp.fc2.bias: expected F32, F16, BF16 or F64; found I64")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "layer_norm1.bias: expected a parameter [8]; found no such tensor; did you mean \"text_model.encoder.layers.0.layer_norm1.biases\"?")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "HB0233: model.safetensors:text_model.encoder.layers.0.layer_norm1.biases: expected only tensors that the network uses; found [8] that no parameter asks for")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "needed by this LayerNorm")) << result.messages;
}

TEST(Import, AtMostTwentyMessages) {
  TextFolder folder({{"unrelated", {1}}});
  std::string messages = folder.import().messages;
  EXPECT_TRUE(contains(messages, "and ")) << messages;
  size_t count = 0;
  for (size_t at = 0; (at = messages.find("error HB", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_LE(count, 20u);
  EXPECT_GE(count, 18u);
}

TEST(Import, IgnoredTensorsMayBeLeft) {
  auto tensors = textTensors();
  tensors.push_back({"text_model.embeddings.position_ids", {1, 9}, DType::I64});
  EXPECT_EQ(TextFolder(tensors).import().messages, "");
}

TEST(Import, UnknownClass) {
  TextFolder folder(textTensors(), R"({"architectures": ["TurboEncabulator"]})");
  Imported result = folder.import();
  EXPECT_EQ(result.code, ExitCode::BadFile);
  EXPECT_TRUE(result.messages.starts_with("error HB0206: config.json: expected one of ")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "CLIPTextModel")) << result.messages;
  EXPECT_TRUE(contains(result.messages, "found TurboEncabulator")) << result.messages;
}

TEST(Import, MissingFolder) {
  Folder folder;
  ImportOptions options;
  options.model = folder.path("none");
  Imported result = import(options, folder);
  EXPECT_EQ(result.code, ExitCode::BadFile);
  EXPECT_TRUE(result.messages.starts_with("error HB0201")) << result.messages;
}

TEST(Import, PipelineScopesAndPrefixes) {
  Folder folder;
  folder.text("model_index.json", R"({"_class_name": "StableDiffusionXLPipeline", "text_encoder": ["transformers", "CLIPTextModel"], "text_encoder_2": ["transformers", "CLIPTextModel"],
                                      "tokenizer": ["transformers", "CLIPTokenizer"], "image_encoder": [null, null]})");
  folder.text("tokenizer/vocab.json", "{}");
  for (const char *name : {"text_encoder", "text_encoder_2"}) {
    folder.text(std::string(name) + "/config.json", kTextConfig);
    folder.weights(std::string(name) + "/model.safetensors", textTensors(DType::BF16));
  }
  ImportOptions options;
  options.model = folder.path();
  options.entries = {"text_encoder_2.text_encode"};
  options.batchSize = 5;
  Imported result = import(options, folder);
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, "@text_encoder_2.text_encode(%arg0: tensor<5x9xi64>")) << result.module.substr(0, 500);
  EXPECT_FALSE(contains(result.module, "@text_encoder.text_encode"));
  EXPECT_TRUE(contains(result.module, R"(nn.param "text_encoder_2" "text_model.final_layer_norm.bias" : tensor<8xbf16>)"));
}

TEST(Import, ProgramsWithScopesOfTheirOwn) {
  Folder folder;
  folder.text("t.hb", "import nn\nmodule Head(config) {\n  let shape = stored_shape(config, \"w\")\n  w: param[shape[0]]\n  fn (x) { x * w }\n}\nmodule Net(config) {\n  w: param[2]\n"
                      "  head: Head(weights_file(config, \"head.safetensors\"))\n  fn (x) { head(x * w) }\n}\nentry e (x: tensor[2]) if has_file(config, \"head.safetensors\") { Net(config)(x) }\n");
  folder.text("config.json", "{}");
  folder.weights("model.safetensors", {{"w", {2}}});
  folder.weights("head.safetensors", {{"w", {2}, DType::BF16}});
  ImportOptions options;
  options.model = folder.path("t.hb");
  options.weightsDir = folder.path();
  Imported result = import(options, folder);
  ASSERT_EQ(result.messages, "");
  EXPECT_TRUE(contains(result.module, R"(nn.param "" "w" : tensor<2xf32>)"));
  EXPECT_TRUE(contains(result.module, R"(nn.param "head" "w" : tensor<2xbf16>)"));
}

TEST(Import, ModuleTree) {
  TextFolder folder;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  ImportOptions options;
  options.model = folder.path();
  size_t params = 0;
  for (const GraphRow &row : moduleTree(context, options, sink)) {
    if (row.module.empty())
      ++params;
    if (row.path == "text_model.encoder.layers.0.mlp.fc1")
      EXPECT_EQ(row.module, "Linear");
    if (row.path == "text_model.encoder.layers.0.mlp.fc1.weight")
      EXPECT_EQ(row.shape, (std::vector<int64_t>{16, 8}));
  }
  EXPECT_EQ(params, textTensors().size());
  EXPECT_FALSE(sink.hasErrors());
}

} // namespace
} // namespace hb
