// LoRA adapters: y = W x + scale · B (A x), read from every spelling in use into one form.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hb {

/// A linear layer that a module was compiled with an adapter slot for.
struct AdapterSite {
  std::string path; ///< of the base checkpoint, e.g. "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
  int64_t in = 0, out = 0;
};

/// The factors for one layer, in float32 whatever the file stores.
struct AdapterModule {
  std::string path;
  int64_t in = 0, out = 0, rank = 0;
  double scale = 1;     ///< alpha / rank (or alpha / √rank); the user's own strength comes on top
  std::vector<float> a; ///< [rank, in]
  std::vector<float> b; ///< [out, rank]
};

struct Adapter {
  std::string path;                   ///< of the file that holds the tensors
  std::vector<AdapterModule> modules; ///< sorted by path
  int64_t rank = 0;                   ///< the largest of the modules
  std::vector<std::string> warnings;  ///< complete sentences for stderr, about what is not applied
  size_t outsideTargets = 0;          ///< modules of the network without a compiled slot
  size_t otherComponents = 0;         ///< modules of other networks (text encoders)
};

/// What an adapter is loaded for.
struct AdapterTarget {
  std::vector<AdapterSite> sites;       ///< compiled slots
  std::vector<std::string> modulePaths; ///< every module of the network that has a weight (sites may be repeated here)
  int64_t maxRank = 0;                  ///< --lora-rank at compile time
  std::string component = "unet";       ///< how files that hold several networks name this one
};

/// Loads an adapter for a compiled network. `path` is a PEFT folder, a folder with pytorch_lora_weights.safetensors, or a
/// file: PEFT, diffusers (three generations, with or without `lora_adapter_metadata`), kohya (on diffusers' or sgm's names).
/// HB0301 – HB0316, HB0210 – HB0218, HB0902; messages name the file and the tensor as spelled there. Nothing of the file is
/// converted before every name and shape has been checked.
Adapter loadAdapter(const std::string &path, const AdapterTarget &target);

/// Reads an adapter without a network to check it against: names come from the spelling alone. For conversion, merging and
/// inspection.
Adapter readAdapter(const std::string &path, const std::string &component = "unet");

/// True when a folder has the files of an adapter, or every tensor of a safetensors file is spelled like an adapter's. Never throws:
/// what cannot be read is no adapter.
bool looksLikeAdapter(const std::string &path);

/// HB0314 when adapters applied together need more rank at some layer than the module has slots for.
void requireRanksFit(const std::vector<const Adapter *> &adapters, int64_t maxRank);

/// "PATH[:SCALE]" of the command line. A colon counts only when a number follows it.
struct AdapterArgument {
  std::string path;
  double scale = 1;
};
/// HB0316 when the number is not finite or the path is empty.
AdapterArgument parseAdapterArgument(const std::string &text);

} // namespace hb
