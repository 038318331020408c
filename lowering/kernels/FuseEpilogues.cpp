#include "lowering/kernels/Passes.h"
namespace hb {
#define GEN_PASS_DEF_HBFUSEEPILOGUES
#include "lowering/kernels/Passes.h.inc"
namespace {
struct FuseEpilogues : impl::HbFuseEpiloguesBase<FuseEpilogues> { void runOnOperation() override {} };
} // namespace
} // namespace hb
