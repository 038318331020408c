// Parses and checks the header of a module file. Everything later code relies on (indices in range, offsets inside blobs and
// arenas, sizes without overflow) is established here, so that a damaged or hostile file ends with an error and nothing else.
#include "runtime/abi/kernel.h"
#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/module/Module.h"

#include <cstring>

namespace hb {
namespace {

constexpr int64_t kFormat = 2;
constexpr JsonErrors kErrors{402, 403};
constexpr uint64_t kMaxHeader = 512ull << 20; // an SDXL pipeline's header is about 5 MB
constexpr uint64_t kMaxBytes = 1ull << 46;    // 64 TiB: above any machine, below any overflow of sums

} // namespace

class ModuleParser {
public:
  explicit ModuleParser(Module &module) : module_(module) {}

  void parse(const TargetChoice &choose) {
    auto bytes = module_.file_.bytes();
    if (bytes.size() < 8)
      throw Error(401, where(), "a module file", std::to_string(bytes.size()) + " bytes", "compile the model again");
    uint64_t length;
    std::memcpy(&length, bytes.data(), 8);
    if (length > bytes.size() - 8 || length > kMaxHeader)
      throw Error(401, where(), "a header inside the file", "a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(bytes.size()),
                  "the file is cut off or is no module; compile the model again");
    module_.header = parseJson({reinterpret_cast<const char *>(bytes.data()) + 8, length}, where(), kErrors);
    module_.blobStart_ = (8 + length + 63) / 64 * 64;
    if (!module_.header.is_object())
      throw Error(402, where(), "a JSON object as header", module_.header.type_name(), "compile the model again");
    JsonObject root(module_.header, where(), kErrors);
    int64_t format = root.integer("format");
    if (format != kFormat)
      throw Error(404, where(), "module format " + std::to_string(kFormat), "format " + std::to_string(format) + " written by " + root.string("compiler", "an unknown compiler"),
                  "compile the model again with this version of hbc");
    int64_t abi = root.integer("kernel_abi", HB_KERNEL_ABI_VERSION);
    if (abi != HB_KERNEL_ABI_VERSION)
      throw Error(404, where(), "kernel interface " + std::to_string(HB_KERNEL_ABI_VERSION), std::to_string(abi), "compile the model again with this version of hbc");
    module_.compiler = root.string("compiler");
    module_.flags = root.has("flags") ? root.strings("flags") : std::vector<std::string>{};
    module_.dtype = root.string("dtype", "f32");
    if (module_.dtype != "f32" && module_.dtype != "bf16" && module_.dtype != "f16")
      root.fail("dtype", "f32, bf16 or f16", module_.dtype);
    module_.math = root.string("math", "strict");
    if (module_.math != "strict" && module_.math != "fast")
      root.fail("math", "strict or fast", module_.math);
    JsonObject model = root.object("model");
    module_.modelKind = model.string("kind");
    module_.modelPath = model.string("path");
    module_.modelClass = model.string("class", "");
    if (root.has("training"))
      module_.training = root.require("training");
    if (root.has("pipeline"))
      module_.pipeline = root.require("pipeline");
    each(root, "scopes", [&](JsonObject o) { module_.scopes.push_back({o.string("name"), o.string("path")}); });
    each(root, "signature", [&](JsonObject o) { module_.signature.push_back({o.string("scope"), o.string("name"), dtype(o), shape(o, "shape", dtypeSize(dtype(o)))}); });
    each(root, "adapters", [&](JsonObject o) { module_.adapters.push_back(adapter(o)); });
    std::vector<ModuleTarget> targets;
    each(root, "targets", [&](JsonObject o) { targets.push_back(target(o)); });
    std::string names;
    for (const ModuleTarget &target : targets) {
      module_.targetNames.push_back(target.name);
      names += (names.empty() ? "" : ", ") + target.name;
    }
    std::optional<size_t> chosen = choose(module_.targetNames);
    if (!chosen || *chosen >= targets.size())
      throw Error(407, where(), "code for the device", names.empty() ? "a module without code" : "code for " + names, "choose such a device, or compile again with --target for this one");
    static_cast<ModuleTarget &>(module_) = std::move(targets[*chosen]);
  }

private:
  const std::string &where() const { return module_.path(); }

  template <typename Fn>
  void each(const JsonObject &parent, const std::string &key, Fn fn) {
    if (!parent.has(key))
      return;
    const nlohmann::json &list = parent.require(key);
    if (!list.is_array())
      parent.fail(key, "a list", list.type_name());
    for (size_t i = 0; i < list.size(); ++i)
      fn(JsonObject(list[i], where(), kErrors, key + "." + std::to_string(i)));
  }

  DType dtype(const JsonObject &o) {
    std::string name = o.string("dtype");
    if (auto type = parseDType(name))
      return *type;
    o.fail("dtype", "an element type", name);
  }

  std::vector<int64_t> shape(const JsonObject &o, const std::string &key, uint64_t elementSize) {
    std::vector<int64_t> extents = o.integers(key);
    uint64_t bytes = elementSize;
    for (int64_t extent : extents) {
      if (extent < 0 || (extent && bytes > kMaxBytes / static_cast<uint64_t>(extent)))
        o.fail(key, "a shape of a possible size", o.require(key).dump());
      bytes *= static_cast<uint64_t>(extent);
    }
    return extents;
  }

  uint64_t size(const JsonObject &o, const std::string &key) {
    int64_t value = o.integer(key);
    if (value < 0 || static_cast<uint64_t>(value) > kMaxBytes)
      o.fail(key, "a size in bytes", std::to_string(value));
    return static_cast<uint64_t>(value);
  }

  void checkBlob(const JsonObject &o, uint64_t offset, uint64_t bytes) {
    uint64_t file = module_.file_.size();
    uint64_t available = file > module_.blobStart_ ? file - module_.blobStart_ : 0;
    if (offset > available || bytes > available - offset)
      throw Error(405, where(), "a section inside the file", "bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) + " of a blob area of " + std::to_string(available),
                  "the file is cut off; compile the model again");
  }

  /// Commands are checked against the tables of their own target, which come before them.
  ModuleTarget target(const JsonObject &o) {
    ModuleTarget part;
    part.name = o.string("name");
    if (o.has("constants")) {
      JsonObject constants = o.object("constants");
      part.constantsOffset = size(constants, "offset");
      part.constantsSize = size(constants, "size");
      checkBlob(constants, part.constantsOffset, part.constantsSize);
    }
    target_ = &part;
    each(o, "weights", [&](JsonObject w) { part.weights.push_back(weight(w)); });
    each(o, "kernels", [&](JsonObject k) { part.kernels.push_back(kernel(k)); });
    each(o, "code", [&](JsonObject c) { part.code.push_back(code(c)); });
    each(o, "programs", [&](JsonObject p) { part.programs.push_back(program(p)); });
    return part;
  }

  /// A weight as a matrix: axis 0, the product of the others, and how many of those are taps of a convolution.
  struct Rows {
    int64_t count, length, taps;
  };
  static Rows rowsOf(const std::vector<int64_t> &shape) {
    Rows rows{shape.empty() ? 1 : shape[0], 1, shape.size() == 4 ? shape[2] * shape[3] : 1};
    for (size_t i = 1; i < shape.size(); ++i)
      rows.length *= shape[i];
    return rows;
  }

  WeightSpec weight(const JsonObject &o) {
    WeightSpec spec;
    auto layout = parseWeightLayout(o.string("layout"));
    if (!layout)
      o.fail("layout", "a weight layout", o.string("layout"));
    spec.layout = *layout;
    spec.dtype = dtype(o);
    spec.shape = shape(o, "shape", dtypeSize(spec.dtype));
    // A source may carry axes of extent 1 that the weight lacks (a 1×1 convolution used as a linear), so rows and the length and
    // order of the reduction are compared, not the shapes.
    spec.transposed = o.boolean("transposed", false);
    if (spec.transposed && (spec.layout == WeightLayout::Dense || spec.layout == WeightLayout::GatedPanel16 || spec.layout == WeightLayout::DiagonalPanel16 || spec.shape.size() < 2))
      o.fail("transposed", "a weight in panels or planes", o.string("layout"));
    // As the sources spell it: rows are axis 1 of a transposed weight.
    std::vector<int64_t> stored = spec.shape;
    if (spec.transposed)
      std::swap(stored[0], stored[1]);
    Rows whole = rowsOf(stored), sum{0, whole.length, whole.taps};
    const bool diagonal = spec.layout == WeightLayout::DiagonalPanel16;
    int64_t columns = 0;
    uint64_t elements = 0;
    each(o, "sources", [&](JsonObject s) {
      WeightSource source{s.string("scope"), s.string("key"), dtype(s), shape(s, "shape", dtypeSize(dtype(s)))};
      Rows rows = rowsOf(source.shape);
      if (spec.layout != WeightLayout::Dense && !diagonal && (rows.length != whole.length || rows.taps != whole.taps))
        s.fail("shape", "rows as the weight's " + o.require("shape").dump(), s.require("shape").dump());
      sum.count += rows.count;
      columns += rows.length;
      elements += static_cast<uint64_t>(rows.count) * static_cast<uint64_t>(rows.length);
      spec.sources.push_back(std::move(source));
    });
    if (diagonal && !spec.sources.empty()) { // the rows behind the last source are zero
      if (columns != whole.length || sum.count > whole.count)
        o.fail("sources", "sources that fit along the weight's diagonal", std::to_string(sum.count) + " rows and " + std::to_string(columns) + " columns");
      return spec;
    }
    if (spec.sources.empty() || elements != static_cast<uint64_t>(whole.count) * static_cast<uint64_t>(whole.length) || (spec.layout != WeightLayout::Dense && sum.count != whole.count))
      o.fail("sources", "sources with as many elements as the weight", std::to_string(elements));
    return spec;
  }

  AdapterSet adapter(const JsonObject &o) {
    AdapterSet set{o.string("scope"), o.integer("rank"), o.strings("targets"), {}, {}};
    auto slots = [&](const char *key, std::vector<AdapterSlot> &out) { each(o, key, [&](JsonObject s) { out.push_back({s.string("path"), s.integer("in"), s.integer("out")}); }); };
    slots("sites", set.sites);
    slots("linears", set.linears);
    return set;
  }

  KernelInfo kernel(const JsonObject &o) {
    KernelInfo info;
    info.symbol = o.string("symbol");
    info.family = o.string("family");
    info.source = o.string("source", "");
    info.grid = o.integer("grid");
    info.block = o.integer("block", 1);
    info.sharedBytes = o.has("shared_bytes") ? size(o, "shared_bytes") : 0;
    info.scratchBytes = size(o, "scratch_bytes");
    info.flops = o.number("flops", 0);
    info.flopsExecuted = o.number("flops_executed", info.flops);
    info.bytes = o.number("bytes", 0);
    if (info.grid < 0)
      o.fail("grid", "a number of tasks", std::to_string(info.grid));
    if (info.block < 1 || info.block > 1024)
      o.fail("block", "1 to 1024 threads", std::to_string(info.block));
    if (o.has("shape"))
      info.shape = kernelShape(o.object("shape"));
    return info;
  }

  KernelShape kernelShape(const JsonObject &o) {
    using Form = KernelShape::Form;
    struct Row {
      std::string_view name;
      Form form;
      std::vector<std::pair<const char *, int64_t KernelShape::*>> extents;
    };
    static const Row kForms[] = {
        {"linear", Form::Linear, {{"rows", &KernelShape::rows}, {"columns", &KernelShape::columns}, {"depth", &KernelShape::depth}}},
        {"conv2d", Form::Conv2d, {{"rows", &KernelShape::rows}, {"columns", &KernelShape::columns}, {"depth", &KernelShape::depth}}},
        {"planes", Form::Planes, {{"planes", &KernelShape::planes}, {"rows", &KernelShape::rows}, {"columns", &KernelShape::columns}, {"depth", &KernelShape::depth}}},
        {"attention",
         Form::Attention,
         {{"batch", &KernelShape::batch},
          {"queries", &KernelShape::queries},
          {"keys", &KernelShape::keys},
          {"heads", &KernelShape::heads},
          {"width", &KernelShape::width},
          {"value_width", &KernelShape::valueWidth}}},
    };
    std::string form = o.string("form");
    for (const Row &row : kForms) {
      if (row.name != form)
        continue;
      KernelShape shape;
      shape.form = row.form;
      for (auto &[key, member] : row.extents) {
        shape.*member = o.integer(key);
        if (shape.*member <= 0 || static_cast<uint64_t>(shape.*member) > kMaxBytes)
          o.fail(key, "a number of elements", std::to_string(shape.*member));
      }
      return shape;
    }
    o.fail("form", "linear, conv2d, planes or attention", form);
  }

  CodeVariant code(const JsonObject &o) {
    CodeVariant variant{o.string("target"), o.string("cpu"), o.has("features") ? o.strings("features") : std::vector<std::string>{}, size(o, "offset"), size(o, "size")};
    checkBlob(o, variant.offset, variant.size);
    return variant;
  }

  TensorSpec tensor(const JsonObject &o) {
    TensorSpec spec;
    spec.name = o.string("name");
    spec.dtype = dtype(o);
    spec.shape = shape(o, "shape", dtypeSize(spec.dtype));
    if (o.has("default")) {
      if (!spec.shape.empty() || (spec.dtype != DType::F32 && spec.dtype != DType::I64))
        o.fail("default", "a scalar float32 or int64 input", o.require("default").dump());
      spec.fallback = o.number("default");
    }
    if (o.has("range")) {
      auto range = o.integers("range");
      if (range.size() != 2)
        o.fail("range", "two integers", o.require("range").dump());
      spec.range = {range[0], range[1]};
    }
    return spec;
  }

  Program program(const JsonObject &o) {
    Program p;
    p.name = o.string("name");
    p.arenaBytes = size(o, "arena_bytes");
    p.lowerBoundBytes = size(o, "lower_bound_bytes");
    each(o, "inputs", [&](JsonObject t) { p.inputs.push_back(tensor(t)); });
    each(o, "outputs", [&](JsonObject t) { p.outputs.push_back(tensor(t)); });
    if (o.has("stats"))
      p.stats = o.require("stats");
    p.commands = commands(o, o.require("commands"), p, 0);
    return p;
  }

  [[noreturn]] void badCommand(const Program &p, const nlohmann::json &command, const std::string &expected) {
    throw Error(406, where() + ":" + p.name, expected, command.dump().substr(0, 120), "compile the model again");
  }

  Binding binding(const Program &p, const nlohmann::json &j) {
    static constexpr std::pair<std::string_view, Binding::Kind> kKinds[] = {
        {"a", Binding::Kind::Arena}, {"w", Binding::Kind::Weight}, {"c", Binding::Kind::Constant}, {"i", Binding::Kind::Input}, {"o", Binding::Kind::Output}};
    if (j.is_array() && j.size() == 2 && j[0].is_string() && j[1].is_number_integer() && j[1].get<int64_t>() >= 0) {
      uint64_t value = j[1].get<uint64_t>();
      const uint64_t limits[] = {p.arenaBytes, target_->weights.size(), target_->constantsSize, p.inputs.size(), p.outputs.size()};
      for (auto &[letter, kind] : kKinds)
        if (j[0].get_ref<const std::string &>() == letter) {
          if (value >= limits[static_cast<int>(kind)])
            break;
          return {kind, value};
        }
    }
    badCommand(p, j, "a binding inside the program's tables");
  }

  /// The bytes the runtime itself touches (kernels' accesses are the compiler's responsibility) lie inside their buffer.
  void requireBytes(const Program &p, const nlohmann::json &command, const Binding &b, uint64_t bytes) {
    uint64_t available = 0;
    switch (b.kind) {
    case Binding::Kind::Arena:
      available = p.arenaBytes - b.value;
      break;
    case Binding::Kind::Constant:
      available = target_->constantsSize - b.value;
      break;
    case Binding::Kind::Input:
      available = p.inputs[b.value].byteSize();
      break;
    case Binding::Kind::Output:
      available = p.outputs[b.value].byteSize();
      break;
    case Binding::Kind::Weight:
      break;
    }
    if (bytes > available)
      badCommand(p, command, "a copy or counter inside its buffer");
  }

  std::vector<Command> commands(const JsonObject &o, const nlohmann::json &list, const Program &p, int depth) {
    if (!list.is_array() || depth > 8)
      badCommand(p, list, "a list of commands");
    std::vector<Command> out;
    for (const nlohmann::json &j : list) {
      if (!j.is_array() || j.empty() || !j[0].is_string())
        badCommand(p, j, "a command");
      const std::string &name = j[0].get_ref<const std::string &>();
      Command c;
      if (name == "launch" && j.size() == 3 && j[1].is_number_unsigned() && j[2].is_array()) {
        if (j[1].get<uint64_t>() >= target_->kernels.size())
          badCommand(p, j, "a kernel of the module");
        c.kernel = j[1].get<uint32_t>();
        for (const nlohmann::json &b : j[2])
          c.bindings.push_back(binding(p, b));
      } else if (name == "copy" && j.size() == 4 && j[3].is_number_unsigned()) {
        c.kind = Command::Kind::Copy;
        c.bindings = {binding(p, j[1]), binding(p, j[2])};
        c.bytes = j[3].get<uint64_t>();
        for (const Binding &b : c.bindings)
          requireBytes(p, j, b, c.bytes);
      } else if (name == "repeat" && j.size() == 5 && j[2].is_number_unsigned()) {
        c.kind = Command::Kind::Repeat;
        c.maxTripCount = j[2].get<int64_t>();
        c.bindings.push_back(binding(p, j[3]));
        if (!j[1].is_null())
          c.bindings.push_back(binding(p, j[1]));
        for (const Binding &b : c.bindings)
          requireBytes(p, j, b, sizeof(int64_t));
        c.body = commands(o, j[4], p, depth + 1);
      } else {
        badCommand(p, j, "a launch, copy or repeat command");
      }
      out.push_back(std::move(c));
    }
    return out;
  }

  Module &module_;
  const ModuleTarget *target_ = nullptr; ///< the one being read
};

Module Module::open(const std::string &path, const TargetChoice &choose) {
  Module module;
  module.file_ = MappedFile(path);
  ModuleParser(module).parse(choose);
  return module;
}

} // namespace hb
