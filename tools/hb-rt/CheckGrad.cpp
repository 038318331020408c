// hb-rt check-grad: the compiled gradients of an entry against central differences of the same compiled code, on this device.
#include "runtime/base/Error.h"
#include "runtime/exec/Session.h"
#include "runtime/params/AdapterBinding.h"
#include "tools/hb-rt/AdapterFlags.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/SessionFlags.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

namespace hb::rt {
namespace {

struct CheckOptions {
  std::string module, entry, inputs;
  int directions = 3;
  uint64_t seed = 0;
  double tolerance = 0.01;
  SessionOptions session;
};

/// One entry with values for everything it reads; evaluates Σ cotangent · output and hands out its gradients.
class Subject {
public:
  Subject(Session &session, const Program &program, const CheckOptions &options)
      : session_(session), program_(program), tensors_(program), engine_(options.seed) {
    if (!options.inputs.empty())
      tensors_.load(SafetensorsFile::open(options.inputs));
    for (const TensorSpec &spec : program.inputs)
      if (options.inputs.empty() && !spec.fallback)
        fill(spec);
    if (!options.inputs.empty()) {
      SafetensorsFile file = SafetensorsFile::open(options.inputs);
      for (const TensorSpec &spec : program.inputs)
        if (const TensorInfo *info = file.find(spec.name); info && spec.dtype == DType::F32)
          values_[spec.name] = file.readFloats(*info);
    }
    for (const AdapterSet &set : session.module().adapters)
      for (const AdapterSlot &slot : set.sites) {
        // As after some training: with B = 0 the gradient of A would vanish and say nothing.
        AdapterFactors &factors = factors_[set.scope + "\n" + slot.path];
        factors.a = random(set.rank * slot.in, -1 / std::sqrt(double(slot.in)), 1 / std::sqrt(double(slot.in)));
        factors.b = random(set.rank * slot.out, -0.1, 0.1);
        factors.scale.assign(set.rank, 1.0f);
      }
    tensors_.allocateOutputs();
  }

  /// The vector behind `grad.NAME`, or null when nothing of that name can be moved.
  std::vector<float> *variable(const std::string &name) {
    if (auto found = values_.find(name); found != values_.end())
      return &found->second;
    for (const char *factor : {".lora_A.weight", ".lora_B.weight"}) {
      if (!name.ends_with(factor))
        continue;
      std::string path = name.substr(0, name.size() - std::strlen(factor));
      for (auto &[key, factors] : factors_)
        if (key.substr(key.find('\n') + 1) == path)
          return factor[6] == 'A' ? &factors.a : &factors.b;
    }
    return nullptr;
  }

  /// Runs the entry on the variables as they are. The sum has a cotangent for each output NAME: the input `cotangent.NAME` (`cotangent`
  /// for a single one), or 1 for `loss`.
  double run() {
    for (auto &[name, values] : values_)
      tensors_.set(name, values.data(), values.size() * sizeof(float));
    session_.weights().setAdapters(factors_);
    Executor &executor = session_.executor(program_.name);
    tensors_.bind(executor);
    executor.run();
    double sum = 0;
    for (const TensorSpec &spec : program_.outputs) {
      if (spec.name.starts_with("grad."))
        continue;
      const float *output = tensors_.output(spec.name);
      auto cotangent = values_.find("cotangent." + spec.name);
      if (cotangent == values_.end())
        cotangent = values_.find("cotangent");
      if (cotangent != values_.end())
        for (size_t i = 0; i < cotangent->second.size(); ++i)
          sum += double(cotangent->second[i]) * output[i];
      else if (spec.name == "loss")
        sum += output[0];
    }
    return sum;
  }

  std::vector<float> gradient(const std::string &name, size_t count) const {
    const float *data = tensors_.output("grad." + name);
    return {data, data + count};
  }

  std::vector<float> random(int64_t count, double low, double high) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
    std::vector<float> values(count);
    for (float &value : values)
      value = uniform(engine_);
    return values;
  }

private:
  /// Inputs nobody gave: pictures and latents between 0 and 1, ids anywhere in their table, masks of ones.
  void fill(const TensorSpec &spec) {
    if (spec.dtype == DType::F32) {
      bool cotangent = spec.name.starts_with("cotangent");
      values_[spec.name] = random(spec.elementCount(), cotangent ? -1 : 0, 1);
      return;
    }
    if (spec.dtype != DType::I64)
      throw Error(504, program_.name + ":" + spec.name, "F32 or I64", std::string(dtypeName(spec.dtype)), "give the inputs with --inputs");
    std::uniform_int_distribution<int64_t> ids(spec.range ? spec.range->first : 1, spec.range ? spec.range->second - 1 : 1);
    std::vector<int64_t> values(spec.elementCount());
    for (int64_t &value : values)
      value = ids(engine_);
    tensors_.set(spec.name, values.data(), values.size() * sizeof(int64_t));
  }

  Session &session_;
  const Program &program_;
  ProgramTensors tensors_;
  std::mt19937_64 engine_;
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, AdapterFactors> factors_;
};

/// ⟨gradient, v⟩ and its difference quotient, extrapolated from two widths (Richardson). Wide steps leave the range where that holds,
/// narrow ones drown in float32: of three neighbouring extrapolations that agree best the middle one is taken, and `doubt` is how far they are
/// apart. (Of two, the best of many pairs is now and then one that agrees by chance.)
struct Comparison {
  double gradient = 0, quotient = 0, doubt = 0;
  double difference() const { return std::fabs(gradient - quotient) / std::max({std::fabs(gradient), std::fabs(quotient), 1e-12}); }
};

Comparison compare(Subject &subject, const std::string &name) {
  std::vector<float> &x = *subject.variable(name);
  subject.run();
  std::vector<float> gradient = subject.gradient(name, x.size());
  // Along the gradient's signs, magnitudes at random: a direction in which the sum surely changes.
  std::vector<float> direction = subject.random(static_cast<int64_t>(x.size()), 0, 1);
  Comparison result;
  double norm = 0, length = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    direction[i] = std::copysign(direction[i], gradient[i]);
    result.gradient += double(gradient[i]) * direction[i];
    norm += double(x[i]) * x[i];
    length += double(direction[i]) * direction[i];
  }
  std::vector<float> start = x;
  auto quotient = [&](double h) {
    auto at = [&](double step) {
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<float>(start[i] + step * direction[i]);
      return subject.run();
    };
    double value = (at(h) - at(-h)) / (2 * h);
    x = start;
    return value;
  };
  const double scale = std::sqrt(norm / std::max(length, 1e-30)) + 1e-4;
  std::vector<double> estimates; // from neighbouring widths
  double previous = quotient(0.02 * scale);
  for (double h = 0.01; h > 5e-5; h /= 2) {
    double narrower = quotient(h * scale);
    estimates.push_back((4 * narrower - previous) / 3);
    previous = narrower;
  }
  result.doubt = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + 3 <= estimates.size(); ++i) {
    std::array<double, 3> three = {estimates[i], estimates[i + 1], estimates[i + 2]};
    std::sort(three.begin(), three.end());
    if (three[2] - three[0] < result.doubt) {
      result.doubt = three[2] - three[0];
      result.quotient = three[1];
    }
  }
  return result;
}

int checkEntry(Session &session, const Program &program, const CheckOptions &options) {
  Subject subject(session, program, options);
  std::vector<std::string> names;
  for (const TensorSpec &spec : program.outputs)
    if (spec.name.starts_with("grad.") && subject.variable(spec.name.substr(5)))
      names.push_back(spec.name.substr(5));
  // Every gradient once when there are few; else so many of them, evenly spread over the network.
  size_t count = std::min<size_t>(names.size(), static_cast<size_t>(options.directions));
  int failed = 0;
  for (size_t i = 0; i < count; ++i) {
    const std::string &name = names[i * names.size() / count];
    Comparison c = compare(subject, name);
    bool good = c.difference() <= options.tolerance;
    failed += !good;
    std::printf("%-6s %s %s: gradient %.6g, difference quotient %.6g (±%.1g), relative difference %.2g\n", good ? "ok" : "WRONG", program.name.c_str(), name.c_str(),
                c.gradient, c.quotient, c.doubt, c.difference());
  }
  return failed;
}

int checkGrad(const CheckOptions &options) {
  Session session(options.module, options.session);
  int failed = 0, checked = 0;
  for (const Program &program : session.module().programs) {
    bool hasGradients = std::any_of(program.outputs.begin(), program.outputs.end(), [](const TensorSpec &spec) { return spec.name.starts_with("grad."); });
    if (!hasGradients || (!options.entry.empty() && program.name != options.entry))
      continue;
    ++checked;
    failed += checkEntry(session, program, options);
  }
  if (!checked)
    throw Error(501, options.module, options.entry.empty() ? "an entry with gradients" : "an entry with gradients named " + options.entry, "none",
                "compile one with --entry NAME_vjp or hummingbird_loss_and_grad");
  return failed ? 1 : 0;
}

} // namespace

Action addCheckGrad(CLI::App &app) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App *sub = app.add_subcommand("check-grad", "compare compiled gradients with difference quotients of the compiled forward, on this machine");
  sub->add_option("-m,--module", options->module, "the module (.hbm)")->required();
  sub->add_option("entry", options->entry, "the entry (default: every entry with gradients)");
  sub->add_option("--directions", options->directions, "gradients to check for each entry")->check(CLI::Range(1, 100000));
  sub->add_option("--inputs", options->inputs, "safetensors file with the inputs (default: random ones)");
  sub->add_option("--seed", options->seed, "seed of random inputs and directions");
  sub->add_option("--tolerance", options->tolerance, "relative difference that counts as equal");
  addSessionFlags(*sub, options->session);
  return [options] { return checkGrad(*options); };
}

} // namespace hb::rt
