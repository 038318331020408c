// cp.async and its groups. A copy lands at the last moment its wait allows; until then its destination holds NaN bits, so that a kernel
// that waits too little computes wrong numbers even where no check looks.
#include "runtime/device/cuda/sim/Access.h"
#include "runtime/device/cuda/sim/Decoder.h"
#include "runtime/device/cuda/sim/Lanes.h"

namespace hb::ptx {
namespace {

void issue(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  uint64_t to[32], from[32];
  addresses(warp, i.operand[0], i.wideAddress, i.offset, to);
  addresses(warp, i.operand[1], i.wideAddress2, i.offset2, from);
  AsyncCopies copies;
  copies.mask = mask;
  copies.bytes = i.bytes;
  copies.instruction = &i;
  copies.source = {};
  uint32_t reading = 0;
  for (unsigned l = 0; l < 32; ++l) {
    uint32_t bytes = i.operand[2] == kNone ? i.bytes : warp.slot<uint32_t>(i.operand[2])[l];
    if (i.operand[3] != kNone && (warp.word(i.operand[3]) >> l & 1)) // ignore-src
      bytes = 0;
    if ((mask >> l & 1) && bytes > i.bytes)
      worker.stop("out-of-bounds", i, warp, l, std::to_string(bytes) + " bytes of the source for " + std::to_string(i.bytes) + " of the destination");
    copies.sourceBytes[l] = bytes;
    copies.group[l] = warp.committed[l];
    copies.destination[l] = static_cast<uint32_t>(to[l]);
    copies.source[l] = from[l];
    if ((mask >> l & 1) && bytes)
      reading |= 1u << l;
  }
  // Both addresses are aligned to the whole size; only the bytes in use must exist.
  for (unsigned l = 0; l < 32; ++l)
    if ((reading >> l & 1) && from[l] % i.bytes)
      worker.stop("misaligned", i, warp, l, "the source is no multiple of " + std::to_string(i.bytes));
  for (uint32_t rest = reading; rest;) {
    uint32_t bytes = copies.sourceBytes[std::countr_zero(rest)], same = 0;
    for (unsigned l = 0; l < 32; ++l)
      if ((rest >> l & 1) && copies.sourceBytes[l] == bytes)
        same |= 1u << l;
    if (bytes == i.bytes) {
      globalAccess(worker, warp, i, same, from, {bytes, false, false, false});
    } else { // a part: its bytes one by one
      for (uint32_t b = 0; b < bytes; ++b) {
        uint64_t byte[32];
        for (unsigned l = 0; l < 32; ++l)
          byte[l] = from[l] + b;
        globalAccess(worker, warp, i, same, byte, {1, false, false, false});
      }
    }
    rest &= ~same;
  }
  sharedBounds(worker, warp, i, mask, to, i.bytes);
  if (!worker.executions.empty())
    countBanks(worker, mask, to, i.bytes);
  for (unsigned l = 0; l < 32; ++l)
    if (mask >> l & 1) {
      report(worker, warp, i, l, to[l], worker.races.issue(warp.index, l, static_cast<uint32_t>(to[l]), i.bytes, i.source));
      std::memset(worker.shared + to[l], 0xFF, i.bytes);
    }
  warp.copies.push_back(copies);
}

void commit(Worker &, Warp &warp, const Instruction &, uint32_t mask) {
  for (unsigned l = 0; l < 32; ++l)
    warp.committed[l] += mask >> l & 1;
}

/// Lands what the lanes of `mask` issued before their last `pending` groups; `open` says that copies outside every group land as well.
void landUpTo(Worker &worker, Warp &warp, uint32_t mask, uint32_t pending, bool open) {
  size_t kept = 0;
  for (AsyncCopies &copies : warp.copies) {
    for (unsigned l = 0; l < 32; ++l) {
      if (!(copies.mask & mask & (1u << l)) || (!open && copies.group[l] + uint64_t(pending) >= warp.committed[l]))
        continue;
      std::byte *to = worker.shared + copies.destination[l];
      uint32_t bytes = copies.sourceBytes[l];
      if (bytes)
        std::memcpy(to, reinterpret_cast<const std::byte *>(copies.source[l]), bytes);
      std::memset(to + bytes, 0, copies.bytes - bytes);
      worker.races.land(warp.index, l, copies.destination[l], copies.bytes, copies.instruction->source);
      copies.mask &= ~(1u << l);
    }
    if (copies.mask) {
      if (&warp.copies[kept] != &copies)
        warp.copies[kept] = copies;
      ++kept;
    }
  }
  warp.copies.resize(kept);
}

void waitGroup(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) { landUpTo(worker, warp, mask, static_cast<uint32_t>(i.offset), false); }
void waitAll(Worker &worker, Warp &warp, const Instruction &, uint32_t mask) { landUpTo(worker, warp, mask, 0, true); }

bool copy(Decoder &decoder, const Statement &s, Instruction &i) {
  if (s.opcode.size() < 3 || s.opcode[1] != "async" || s.has("bulk") || s.has("mbarrier"))
    return false;
  if (s.has("commit_group")) {
    i.run = commit;
    return s.operands.empty();
  }
  if (s.has("wait_all")) {
    i.run = waitAll;
    return s.operands.empty();
  }
  if (s.has("wait_group")) {
    if (s.operands.size() != 1 || s.operands[0].is != Operand::Is::Integer || s.operands[0].value < 0)
      return false;
    i.run = waitGroup;
    i.offset = s.operands[0].value;
    return true;
  }
  bool through = s.has("cg"); // 16 bytes only
  if (s.operands.size() < 3 || s.operands.size() > 4 || s.operands[2].is != Operand::Is::Integer || !(s.has("shared") || s.has("shared::cta")) || !s.has("global") || (!through && !s.has("ca")))
    return false;
  int64_t bytes = s.operands[2].value;
  if (bytes != 16 && (through || (bytes != 4 && bytes != 8)))
    return false;
  i.bytes = static_cast<uint8_t>(bytes);
  i.run = issue;
  decoder.address(s.operands[0], i, 0, 0);
  decoder.address(s.operands[1], i, 1, 1);
  i.operand[2] = i.operand[3] = kNone;
  bool cached = s.has("L2::cache_hint");
  if (s.operands.size() == 4 && !cached) {
    const Operand &last = s.operands[3];
    if (decoder.isPredicate(last))
      i.operand[3] = decoder.read(last, 1);
    else
      i.operand[2] = decoder.read(last, 32);
  }
  decoder.sharedAccess(i.bytes);
  decoder.globalAccess(i.operand[2] == kNone ? i.bytes : 1);
  return true;
}

const NamedRule kRules[] = {{"cp", copy}};

} // namespace

std::span<const NamedRule> asyncRules() { return kRules; }

} // namespace hb::ptx
