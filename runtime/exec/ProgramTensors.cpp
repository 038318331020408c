#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/exec/Session.h"

#include <cstring>

namespace hb {

ProgramTensors::ProgramTensors(const Program &program) : program_(program) {
  for (const TensorSpec &spec : program.inputs)
    if (spec.fallback) {
      float real = static_cast<float>(*spec.fallback);
      int64_t integer = static_cast<int64_t>(*spec.fallback);
      const bool isInteger = spec.dtype == DType::I64;
      const size_t bytes = spec.byteSize();
      std::memcpy((inputs_[spec.name] = AlignedBuffer(bytes, program.name, "the input '" + spec.name + "'")).data(), isInteger ? static_cast<const void *>(&integer) : &real, bytes);
    }
}

size_t ProgramTensors::inputIndex(const std::string &name) const {
  for (size_t i = 0; i < program_.inputs.size(); ++i)
    if (program_.inputs[i].name == name)
      return i;
  throw Error(510, program_.name, "an input of the entry", "'" + printable(name) + "'", "see `hb-rt inspect` for the names of its inputs");
}

void ProgramTensors::checkRange(const TensorSpec &spec, const void *data, const std::string &where) const {
  if (!spec.range || spec.dtype != DType::I64)
    return;
  auto *ids = static_cast<const int64_t *>(data);
  for (int64_t i = 0; i < spec.elementCount(); ++i)
    if (ids[i] < spec.range->first || ids[i] >= spec.range->second)
      throw Error(505, where, "ids from " + std::to_string(spec.range->first) + " to " + std::to_string(spec.range->second - 1), std::to_string(ids[i]) + " at element " + std::to_string(i),
                  "use the tokenizer that belongs to this checkpoint");
}

void ProgramTensors::load(const SafetensorsFile &file) {
  // Everything is checked before the first byte is allocated.
  for (const TensorSpec &spec : program_.inputs) {
    const TensorInfo *info = file.find(spec.name);
    if (!info && spec.fallback)
      continue;
    if (!info)
      throw Error(502, file.path() + ":" + spec.name, "an input " + shapeText(spec.shape) + " " + std::string(dtypeName(spec.dtype)), "no tensor of that name", "add it to the input file");
    if (info->shape != spec.shape)
      throw Error(503, file.where(*info), "shape " + shapeText(spec.shape), shapeText(info->shape), "give an input of that shape or compile with other --dim values");
    bool widened = spec.dtype == DType::F32 && (info->dtype == DType::F16 || info->dtype == DType::BF16);
    if (info->dtype != spec.dtype && !widened)
      throw Error(504, file.where(*info), std::string(dtypeName(spec.dtype)), std::string(dtypeName(info->dtype)), "convert the input");
  }
  for (const TensorInfo &info : file.tensors())
    inputIndex(info.name);
  for (const TensorSpec &spec : program_.inputs) {
    const TensorInfo *info = file.find(spec.name);
    if (!info)
      continue; // its default is in place
    AlignedBuffer buffer(spec.byteSize(), program_.name, "the input '" + spec.name + "'");
    if (info->dtype == spec.dtype)
      std::memcpy(buffer.data(), file.data(*info).data(), spec.byteSize());
    else
      convertToFloat(info->dtype, file.data(*info).data(), spec.elementCount(), reinterpret_cast<float *>(buffer.data()));
    checkRange(spec, buffer.data(), file.where(*info));
    inputs_[spec.name] = std::move(buffer);
  }
}

void ProgramTensors::set(const std::string &name, const void *data, uint64_t bytes) {
  const TensorSpec &spec = program_.inputs[inputIndex(name)];
  if (bytes != spec.byteSize())
    throw Error(503, program_.name + ":" + name, std::to_string(spec.byteSize()) + " bytes for shape " + shapeText(spec.shape), std::to_string(bytes) + " bytes", "give an input of the compiled shape");
  checkRange(spec, data, program_.name + ":" + name);
  AlignedBuffer &buffer = inputs_[name];
  if (!buffer)
    buffer = AlignedBuffer(bytes, program_.name, "the input '" + name + "'");
  std::memcpy(buffer.data(), data, bytes);
}

void ProgramTensors::allocateOutputs() {
  if (!outputs_.empty())
    return;
  for (const TensorSpec &spec : program_.outputs)
    outputs_.emplace_back(spec.byteSize(), program_.name, "the output '" + spec.name + "'");
}

void ProgramTensors::bind(Executor &executor) const {
  std::vector<const void *> inputs;
  std::vector<void *> outputs;
  for (const TensorSpec &spec : program_.inputs) {
    auto it = inputs_.find(spec.name);
    if (it == inputs_.end())
      throw Error(502, program_.name + ":" + spec.name, "an input " + shapeText(spec.shape), "none", "give every input of the entry");
    inputs.push_back(it->second.data());
  }
  for (const AlignedBuffer &buffer : outputs_)
    outputs.push_back(buffer.data());
  executor.bind(inputs, outputs);
}

std::vector<TensorView> ProgramTensors::outputs() const {
  std::vector<TensorView> views;
  for (size_t i = 0; i < program_.outputs.size(); ++i)
    views.push_back({program_.outputs[i].name, program_.outputs[i].dtype, program_.outputs[i].shape, outputs_[i].data()});
  return views;
}

const float *ProgramTensors::output(const std::string &name) const {
  for (size_t i = 0; i < program_.outputs.size(); ++i)
    if (program_.outputs[i].name == name)
      return reinterpret_cast<const float *>(outputs_[i].data());
  throw Error(999, program_.name, "an output '" + name + "'", "none", "report this");
}

} // namespace hb
