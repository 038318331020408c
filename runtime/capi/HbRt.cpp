// The C API over Session: argument checks and the translation of errors into statuses.
#include "runtime/hb_rt.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/exec/SessionAdapters.h"

#include <algorithm>
#include <cstring>
#include <new>

struct hb_session {
  hb::Session session;
};

namespace {

thread_local std::string gLastError;

/// Runs `body` and turns whatever it throws into a status.
template <typename Body>
hb_status guarded(Body body) {
  try {
    return body();
  } catch (const hb::Error &error) {
    gLastError = error.what();
    return static_cast<hb_status>(error.exitCode());
  } catch (const std::bad_alloc &) {
    gLastError = "error HB0903: memory: expected enough memory; found none left";
    return HB_NO_MEMORY;
  } catch (const std::exception &error) {
    gLastError = std::string("error HB0999: internal error: ") + error.what();
    return HB_INTERNAL;
  }
}

void describe(const hb::TensorSpec &spec, hb_tensor *info) {
  *info = {spec.name.c_str(), spec.dtype == hb::DType::I64 ? HB_I64 : HB_F32, static_cast<int>(spec.shape.size()), {}, nullptr};
  for (size_t i = 0; i < spec.shape.size() && i < HB_MAX_RANK; ++i)
    info->shape[i] = spec.shape[i];
}

/// What no function can work without.
void require(bool given, const char *function, const char *expected) {
  if (!given)
    throw hb::Error(511, function, expected, "NULL or a value out of range", "see hb_rt.h");
}

/// A tensor that can be looked at: the rank bounds every loop over its shape.
void requireTensors(const char *function, const hb_tensor *tensors, size_t count) {
  require(tensors || !count, function, "tensors");
  for (size_t i = 0; i < count; ++i)
    require(tensors[i].name && tensors[i].data && tensors[i].rank >= 0 && tensors[i].rank <= HB_MAX_RANK, function, "tensors with a name, data and a rank of 0 to 8");
}

/// A caller's tensor must be exactly what the program has under its name.
void checkTensor(const hb::Program &program, const hb::TensorSpec &spec, const hb_tensor &tensor) {
  std::vector<int64_t> shape(tensor.shape, tensor.shape + std::clamp(tensor.rank, 0, HB_MAX_RANK));
  std::string where = program.name + ":" + spec.name;
  if (shape != spec.shape)
    throw hb::Error(503, where, "shape " + hb::shapeText(spec.shape), hb::shapeText(shape), "give a tensor of that shape");
  if ((spec.dtype == hb::DType::I64) != (tensor.dtype == HB_I64))
    throw hb::Error(504, where, std::string(hb::dtypeName(spec.dtype)), tensor.dtype == HB_I64 ? "I64" : "F32", "convert the tensor");
}

} // namespace

hb_status hb_open(const char *module, const hb_options *options, hb_session **session) {
  return guarded([&] {
    require(module && session, "hb_open", "a path and a place for the session");
    hb::SessionOptions settings;
    if (options) {
      settings.weights = options->weights ? options->weights : "";
      settings.threads = options->threads;
      settings.device = options->device ? options->device : "cpu";
    }
    *session = new hb_session{hb::Session(module, settings)};
    return HB_OK;
  });
}

void hb_close(hb_session *session) { delete session; }

size_t hb_entry_count(const hb_session *session) { return session->session.module().programs.size(); }

const char *hb_entry_name(const hb_session *session, size_t index) {
  const auto &programs = session->session.module().programs;
  return index < programs.size() ? programs[index].name.c_str() : nullptr;
}

size_t hb_tensor_count(const hb_session *session, const char *entry, int output) {
  const hb::Program *program = session && entry ? session->session.module().findEntry(entry) : nullptr;
  return !program ? 0 : output ? program->outputs.size() : program->inputs.size();
}

hb_status hb_tensor_info(const hb_session *session, const char *entry, int output, size_t index, hb_tensor *info) {
  return guarded([&] {
    require(session && entry && info, "hb_tensor_info", "a session, an entry and a place for the description");
    const hb::Program &program = session->session.module().entry(entry);
    const auto &specs = output ? program.outputs : program.inputs;
    if (index >= specs.size())
      throw hb::Error(511, entry, "an index below " + std::to_string(specs.size()), std::to_string(index), "ask hb_tensor_count first");
    describe(specs[index], info);
    return HB_OK;
  });
}

uint64_t hb_arena_bytes(const hb_session *session, const char *entry) {
  const hb::Program *program = session && entry ? session->session.module().findEntry(entry) : nullptr;
  return program ? program->arenaBytes : 0;
}

hb_status hb_set_adapters(hb_session *session, const char *const *adapters, size_t count) {
  return guarded([&] {
    require(session && (adapters || !count), "hb_set_adapters", "a session and a list of adapters");
    for (size_t i = 0; i < count; ++i)
      require(adapters[i], "hb_set_adapters", "a path for each adapter");
    hb::bindAdapters(session->session, std::vector<std::string>(adapters, adapters + count));
    return HB_OK;
  });
}

hb_status hb_run(hb_session *session, const char *entry, const hb_tensor *inputs, size_t input_count, hb_tensor *outputs, size_t output_count, hb_step_callback callback, void *user) {
  return guarded([&] {
    require(session && entry, "hb_run", "a session and an entry");
    requireTensors("hb_run", inputs, input_count);
    requireTensors("hb_run", outputs, output_count);
    const hb::Program &program = session->session.module().entry(entry);
    hb::ProgramTensors tensors(program);
    for (size_t i = 0; i < input_count; ++i) {
      for (const hb::TensorSpec &spec : program.inputs)
        if (spec.name == inputs[i].name)
          checkTensor(program, spec, inputs[i]);
      uint64_t bytes = inputs[i].dtype == HB_I64 ? 8 : 4;
      for (int d = 0; d < inputs[i].rank; ++d)
        bytes *= static_cast<uint64_t>(inputs[i].shape[d]);
      tensors.set(inputs[i].name, inputs[i].data, bytes);
    }
    tensors.allocateOutputs();
    hb::Executor &executor = session->session.executor(entry);
    tensors.bind(executor);
    executor.onStep(callback ? hb::Executor::StepCallback([&](int64_t step, int64_t steps) { return callback(user, step, steps) == 0; }) : hb::Executor::StepCallback());
    if (!executor.run()) {
      gLastError = "cancelled by the step callback";
      return HB_CANCELLED;
    }
    for (size_t i = 0; i < output_count; ++i) {
      bool found = false;
      for (const hb::TensorView &view : tensors.outputs())
        if (view.name == outputs[i].name) {
          for (const hb::TensorSpec &spec : program.outputs)
            if (spec.name == view.name) {
              checkTensor(program, spec, outputs[i]);
              std::memcpy(outputs[i].data, view.data, spec.byteSize());
            }
          found = true;
        }
      if (!found)
        throw hb::Error(510, entry, "an output of the entry", outputs[i].name, "see hb_tensor_info for the names");
    }
    return HB_OK;
  });
}

const char *hb_last_error(void) { return gLastError.c_str(); }
