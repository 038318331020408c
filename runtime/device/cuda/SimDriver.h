// The driver's table over the PTX interpreter: the device `cuda:sim`, for tests on machines without a GPU.
#pragma once

#include "runtime/device/cuda/Driver.h"

namespace hb::cuda {

/// One device whose memory is the host's. Work put into a stream is done as late as the driver's rules allow, at the next wait, so that a
/// missing wait shows. Its settings are variables of the environment, read when the device is opened: HB_SIM_SM (compute capability, 80),
/// HB_SIM_MEMORY_BYTES (8 GiB), HB_SIM_SEED (order of warps and blocks; 0: in order), HB_SIM_THREADS (1; with more, blocks are not checked
/// against each other). HB0904 when one of them is no number.
const Driver &simulatorDriver();

} // namespace hb::cuda
