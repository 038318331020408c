// One warp moves on: branches, lanes that part and meet, collectives and barriers.
//
// Lanes that took different ways are kept as splits; the split with the lowest position runs until it reaches another one's position,
// where they merge (BlockOrder puts every join behind all paths to it). At an instruction that names lanes of the warp a split waits
// for the missing ones; when every split waits, they can never meet and that is a finding.
#include "runtime/device/cuda/sim/Machine.h"

#include <algorithm>

namespace hb::ptx {

void Worker::park(Warp &warp, uint32_t pc, uint32_t mask, bool blocked) {
  for (unsigned s = 0; s < warp.splitCount; ++s)
    if (warp.splits[s].pc == pc) {
      warp.splits[s].mask |= mask;
      warp.splits[s].blocked = false;
      return;
    }
  warp.splits[warp.splitCount++] = {pc, mask, blocked};
}

void Worker::reschedule(Warp &warp, bool currentBlocked) {
  // The current lanes join the others, equal positions merge, the lowest that can run goes on.
  if (warp.active)
    park(warp, warp.pc, warp.active, currentBlocked);
  unsigned best = kNone;
  for (unsigned s = 0; s < warp.splitCount; ++s)
    if (!warp.splits[s].blocked && (best == kNone || warp.splits[s].pc < warp.splits[best].pc))
      best = s;
  if (best == kNone) {
    unsigned first = 0;
    for (unsigned s = 1; s < warp.splitCount; ++s)
      if (warp.splits[s].pc < warp.splits[first].pc)
        first = s;
    const Split &at = warp.splits[first];
    const Instruction &i = entry.code[at.pc];
    std::string where;
    for (unsigned s = 0; s < warp.splitCount; ++s)
      if (s != first)
        where += ", others at line " + std::to_string(entry.sources[entry.code[warp.splits[s].pc].source].line);
    char lanes[16];
    std::snprintf(lanes, sizeof lanes, "%08x", at.mask);
    stop("divergence", i, warp, static_cast<unsigned>(std::countr_zero(at.mask)), "only the lanes " + std::string(lanes) + " of the warp arrive at an instruction that names more of them" + where);
  }
  warp.pc = warp.splits[best].pc;
  warp.active = warp.splits[best].mask;
  warp.splits[best] = warp.splits[--warp.splitCount];
  warp.limit = kNone;
  for (unsigned s = 0; s < warp.splitCount; ++s)
    if (warp.splits[s].pc > warp.pc)
      warp.limit = std::min(warp.limit, warp.splits[s].pc);
}

void Worker::branch(Warp &warp, const Instruction &at, uint32_t taken) {
  uint32_t stays = warp.active & ~taken, next = warp.pc + 1;
  if (at.flow == Flow::Branch && !stays) {
    warp.pc = at.target;
  } else if (!taken) {
    warp.pc = next;
  } else {
    if (at.flow == Flow::Branch) {
      park(warp, at.target, taken, false);
    } else {
      const auto &targets = entry.branchLists[at.target];
      const uint32_t *index = warp.slot<uint32_t>(at.operand[0]);
      for (unsigned lane = 0; lane < 32; ++lane)
        if (taken >> lane & 1) {
          if (index[lane] >= targets.size())
            stop("out-of-bounds", at, warp, lane, "branch " + std::to_string(index[lane]) + " of a list of " + std::to_string(targets.size()));
          park(warp, targets[index[lane]], 1u << lane, false);
        }
    }
    warp.active = stays;
    warp.pc = next;
  }
  if (warp.splitCount)
    reschedule(warp, false);
}

void Worker::exitLanes(Warp &warp, uint32_t mask) {
  warp.alive &= ~mask;
  warp.active &= ~mask;
  ++warp.pc;
  // Who waited for these lanes may go on without them.
  for (unsigned s = 0; s < warp.splitCount; ++s)
    warp.splits[s].blocked = false;
  if (!warp.active && !warp.splitCount) {
    warp.state = WarpState::Done;
    for (const AsyncCopies &copies : warp.copies)
      find("missing-wait", *copies.instruction, warp, static_cast<unsigned>(std::countr_zero(copies.mask)), "the thread exits before its asynchronous copy was waited for");
    return;
  }
  if (warp.splitCount)
    reschedule(warp, false);
}

/// Flow::Collective: operand[15] holds the slot of the lanes it names, or kNone for the whole warp.
bool Worker::collectiveReady(Warp &warp, const Instruction &at, uint32_t mask) {
  if (at.operand[15] == kNone) {
    if (warp.alive != kAllLanes)
      stop("divergence", at, warp, static_cast<unsigned>(std::countr_zero(mask)), "an instruction of the whole warp after some of its lanes exited, or in a warp of fewer than 32 threads");
    return mask == kAllLanes;
  }
  // Several groups of one warp may be here with masks of their own: each is complete when its lanes all name the same lanes.
  const uint32_t *lanes = warp.slot<uint32_t>(at.operand[15]);
  for (uint32_t rest = mask; rest;) {
    unsigned lane = static_cast<unsigned>(std::countr_zero(rest));
    uint32_t group = 0;
    for (unsigned l = 0; l < 32; ++l)
      if ((mask >> l & 1) && lanes[l] == lanes[lane])
        group |= 1u << l;
    if (group & ~lanes[lane])
      stop("divergence", at, warp, static_cast<unsigned>(std::countr_zero(group & ~lanes[lane])), "the lane is not among those that it names");
    if (group != (lanes[lane] & warp.alive))
      return false;
    rest &= ~group;
  }
  return true;
}

void Worker::arrive(Warp &warp, const Instruction &at, uint32_t mask) {
  auto uniform = [&](uint32_t slot) {
    const uint32_t *values = warp.slot<uint32_t>(slot);
    unsigned first = static_cast<unsigned>(std::countr_zero(mask));
    for (unsigned l = 0; l < 32; ++l)
      if ((mask >> l & 1) && values[l] != values[first])
        stop("divergence", at, warp, l, "lanes of one warp name different barriers");
    return values[first];
  };
  uint32_t id = uniform(at.operand[1]);
  uint32_t expected = at.operand[2] == kNone ? launch.warps * 32 : uniform(at.operand[2]);
  if (id >= kNamedBarriers || expected == 0 || expected % 32 || expected > launch.warps * 32)
    stop("deadlock", at, warp, 0, "barrier " + std::to_string(id) + " of " + std::to_string(expected) + " threads: there are barriers 0 to 15, for whole warps of the block");
  Barrier &barrier = barriers[id];
  if (barrier.arrived && barrier.expected != expected)
    stop("divergence", at, warp, 0, "barrier " + std::to_string(id) + " with " + std::to_string(expected) + " threads, earlier warps named " + std::to_string(barrier.expected));
  barrier.expected = expected;
  barrier.arrived += 32;
  barrier.contributed |= 1u << warp.index;
  if (at.flow == Flow::Barrier) {
    barrier.waiting |= 1u << warp.index;
    warp.state = WarpState::AtBarrier;
    warp.barrier = id;
    warp.waitsAt = &at;
    if (at.mode) {
      uint32_t votes = warp.word(at.operand[3]) ^ (at.count ? kAllLanes : 0);
      barrier.counted += static_cast<uint32_t>(std::popcount(mask));
      barrier.votes += static_cast<uint32_t>(std::popcount(votes & mask));
      warp.reductionLanes = mask;
    }
  }
  ++warp.pc;
  if (barrier.arrived == barrier.expected)
    release(id);
}

void Worker::release(unsigned id) {
  Barrier barrier = barriers[id];
  barriers[id] = {};
  races.join(barrier.contributed, barrier.waiting);
  for (Warp &warp : warps) {
    if (!(barrier.waiting >> warp.index & 1))
      continue;
    warp.state = WarpState::Ready;
    if (uint8_t mode = warp.waitsAt->mode) {
      uint32_t slot = warp.waitsAt->operand[0];
      bool all = barrier.votes == barrier.counted, any = barrier.votes != 0;
      if (mode == 1) {
        for (unsigned l = 0; l < 32; ++l)
          if (warp.reductionLanes >> l & 1)
            warp.slot<uint32_t>(slot)[l] = barrier.votes;
      } else {
        uint32_t &word = warp.word(slot);
        word = (mode == 2 ? all : any) ? word | warp.reductionLanes : word & ~warp.reductionLanes;
      }
    }
  }
}

void Worker::step(Warp &warp, uint64_t quantum) {
  const Instruction *code = entry.code.data();
  uint64_t *counts = executions.empty() ? nullptr : executions.data();
  uint64_t left = quantum;
  while (left--) {
    if (warp.pc >= warp.limit) [[unlikely]]
      reschedule(warp, false);
    const Instruction &i = code[warp.pc];
    uint32_t mask = warp.active;
    if (i.guard != kNone)
      mask &= warp.word(i.guard) ^ i.guardFlip;
    if (counts)
      ++counts[warp.pc];
    switch (i.flow) {
    case Flow::Plain:
      if (mask)
        i.run(*this, warp, i, mask);
      ++warp.pc;
      if (warp.yielded) [[unlikely]] {
        warp.executed += quantum - left;
        return;
      }
      break;
    case Flow::Branch:
    case Flow::BranchIndexed:
      branch(warp, i, mask);
      break;
    case Flow::Exit:
      if (!mask) {
        ++warp.pc;
        break;
      }
      if (mask != warp.active) { // the others go on behind
        park(warp, warp.pc + 1, warp.active & ~mask, false);
        warp.active = mask;
      }
      exitLanes(warp, mask);
      if (warp.state == WarpState::Done) {
        warp.executed += quantum - left;
        return;
      }
      break;
    case Flow::Collective:
      if (!mask) {
        ++warp.pc;
        break;
      }
      if (!collectiveReady(warp, i, mask)) {
        reschedule(warp, true);
        break;
      }
      i.run(*this, warp, i, mask);
      ++warp.pc;
      break;
    case Flow::Barrier:
    case Flow::BarrierArrive:
      if (!mask) {
        ++warp.pc;
        break;
      }
      if (mask != warp.alive) {
        if (mask != warp.active)
          stop("divergence", i, warp, static_cast<unsigned>(std::countr_zero(mask)), "a barrier that only some lanes of the warp execute");
        reschedule(warp, true);
        break;
      }
      arrive(warp, i, mask);
      if (warp.state == WarpState::AtBarrier) {
        warp.executed += quantum - left;
        return;
      }
      break;
    }
  }
  warp.executed += quantum;
}

} // namespace hb::ptx
