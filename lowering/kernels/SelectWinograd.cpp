#include "lowering/kernels/Passes.h"
namespace hb {
#define GEN_PASS_DEF_HBSELECTWINOGRAD
#include "lowering/kernels/Passes.h.inc"
namespace {
struct SelectWinograd : impl::HbSelectWinogradBase<SelectWinograd> { void runOnOperation() override {} };
} // namespace
} // namespace hb
