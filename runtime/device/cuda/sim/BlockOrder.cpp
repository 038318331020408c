#include "runtime/device/cuda/sim/Flatten.h"
#include "runtime/device/cuda/sim/Lexer.h"

#include <algorithm>

namespace hb::ptx {
namespace {

constexpr size_t kMaxLoopDepth = 200;

struct Block {
  size_t first = 0, end = 0; ///< statements
  std::vector<uint32_t> next;  ///< successors: the branch first, what follows last
  bool falls = false;        ///< the last of `next` is the block behind this one
};

bool ends(const Statement &statement) {
  if (statement.opcode.empty())
    return false;
  std::string_view name = statement.opcode[0];
  return name == "bra" || name == "brx" || ((name == "ret" || name == "exit" || name == "trap") && statement.guard < 0);
}

std::vector<Block> split(const FlatEntry &entry, std::vector<uint32_t> &blockOfLabel) {
  std::vector<Block> blocks;
  blockOfLabel.assign(entry.labels, ~0u);
  bool open = false;
  for (size_t i = 0; i < entry.body.size(); ++i) {
    const Statement &statement = entry.body[i];
    bool label = statement.opcode.empty();
    if (!open || (label && blocks.back().first != i && !entry.body[i - 1].opcode.empty())) {
      blocks.push_back({i, i, {}, false});
      open = true;
    }
    if (label)
      blockOfLabel[statement.label] = static_cast<uint32_t>(blocks.size() - 1);
    blocks.back().end = i + 1;
    open = !ends(statement);
  }
  return blocks;
}

void connect(const FlatEntry &entry, const std::vector<uint32_t> &blockOfLabel, std::vector<Block> &blocks) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Statement &last = entry.body[blocks[i].end - 1];
    bool branch = !last.opcode.empty() && (last.opcode[0] == "bra" || last.opcode[0] == "brx");
    auto to = [&](uint32_t label) {
      if (label >= blockOfLabel.size() || blockOfLabel[label] == ~0u)
        unreadable(last.line, "a label that stands in the function", std::string(last.text));
      blocks[i].next.push_back(blockOfLabel[label]);
    };
    if (branch)
      for (const Operand &operand : last.operands)
        if (operand.is == Operand::Is::Label) {
          auto list = entry.branchTargets.find(operand.index);
          if (list == entry.branchTargets.end())
            to(operand.index);
          else
            for (uint32_t target : list->second)
              to(target);
        }
    bool falls = !ends(last) || (last.opcode[0] == "bra" && last.guard >= 0);
    if (falls && i + 1 < blocks.size()) {
      blocks[i].next.push_back(static_cast<uint32_t>(i + 1));
      blocks[i].falls = true;
    }
  }
}

/// Tarjan's strongly connected components ("Depth-first search and linear graph algorithms", 1972), without recursion, of the blocks
/// whose `group` is `mine`, ignoring edges into `entry`. They come out in reverse topological order.
class Components {
public:
  Components(const std::vector<Block> &blocks, std::vector<uint32_t> &group) : blocks_(blocks), group_(group), index_(blocks.size()), low_(blocks.size()), onStack_(blocks.size()) {}

  std::vector<std::vector<uint32_t>> of(uint32_t entry, uint32_t mine, const std::vector<uint32_t> &members) {
    std::vector<std::vector<uint32_t>> result;
    for (uint32_t member : members)
      index_[member] = 0;
    uint32_t counter = 0;
    std::vector<uint32_t> stack;
    struct Visit { uint32_t block; size_t edge; };
    std::vector<Visit> visits;
    auto enter = [&](uint32_t block) {
      index_[block] = low_[block] = ++counter;
      stack.push_back(block);
      onStack_[block] = true;
      visits.push_back({block, 0});
    };
    enter(entry);
    while (!visits.empty()) {
      uint32_t block = visits.back().block;
      if (visits.back().edge < blocks_[block].next.size()) {
        uint32_t next = blocks_[block].next[visits.back().edge++];
        if (group_[next] != mine || next == entry)
          continue;
        if (!index_[next])
          enter(next);
        else if (onStack_[next])
          low_[block] = std::min(low_[block], index_[next]);
        continue;
      }
      visits.pop_back();
      if (!visits.empty())
        low_[visits.back().block] = std::min(low_[visits.back().block], low_[block]);
      if (low_[block] != index_[block])
        continue;
      result.emplace_back();
      uint32_t member;
      do {
        member = stack.back();
        stack.pop_back();
        onStack_[member] = false;
        result.back().push_back(member);
      } while (member != block);
    }
    return result;
  }

private:
  const std::vector<Block> &blocks_;
  std::vector<uint32_t> &group_;
  std::vector<uint32_t> index_, low_;
  std::vector<bool> onStack_;
};

class Ordering {
public:
  explicit Ordering(const std::vector<Block> &blocks) : blocks_(blocks), group_(blocks.size(), 0), components_(blocks, group_) {}

  std::vector<uint32_t> order() {
    std::vector<uint32_t> all(blocks_.size());
    for (uint32_t i = 0; i < all.size(); ++i)
      all[i] = i;
    place(0, 0, all, 0);
    return std::move(result_);
  }

private:
  void place(uint32_t entry, uint32_t mine, const std::vector<uint32_t> &members, size_t depth) {
    auto parts = components_.of(entry, mine, members);
    for (size_t i = parts.size(); i-- > 0;) {
      auto &part = parts[i];
      if (part.size() == 1) {
        result_.push_back(part[0]);
        continue;
      }
      // A loop. Its header is where the rest of the graph enters it; Tarjan found that block first, so it is the last of the part.
      uint32_t header = part.back();
      if (depth >= kMaxLoopDepth) {
        std::sort(part.begin(), part.end());
        result_.insert(result_.end(), part.begin(), part.end());
        continue;
      }
      uint32_t fresh = ++groups_;
      for (uint32_t member : part)
        group_[member] = fresh;
      place(header, fresh, part, depth + 1);
    }
  }

  const std::vector<Block> &blocks_;
  std::vector<uint32_t> group_;
  Components components_;
  std::vector<uint32_t> result_;
  uint32_t groups_ = 0;
};

} // namespace

void orderBlocks(FlatEntry &entry) {
  std::vector<uint32_t> blockOfLabel;
  std::vector<Block> blocks = split(entry, blockOfLabel);
  if (blocks.empty())
    return;
  connect(entry, blockOfLabel, blocks);
  std::vector<uint32_t> order = Ordering(blocks).order();
  std::vector<Statement> body;
  body.reserve(entry.body.size() + order.size());
  std::vector<uint32_t> freshLabels(blocks.size(), ~0u);
  // A block that no longer stands behind its predecessor is reached by a jump to a label of its own.
  for (size_t i = 0; i < order.size(); ++i)
    if (blocks[order[i]].falls && (i + 1 == order.size() || order[i + 1] != order[i] + 1))
      if (uint32_t &label = freshLabels[order[i] + 1]; label == ~0u)
        label = entry.labels++;
  for (size_t i = 0; i < order.size(); ++i) {
    const Block &block = blocks[order[i]];
    if (freshLabels[order[i]] != ~0u) {
      Statement mark;
      mark.line = entry.body[block.first].line;
      mark.label = freshLabels[order[i]];
      body.push_back(std::move(mark));
    }
    for (size_t s = block.first; s < block.end; ++s)
      body.push_back(std::move(entry.body[s]));
    if (block.falls && (i + 1 == order.size() || order[i + 1] != order[i] + 1)) {
      Statement jump;
      jump.line = body.back().line;
      jump.opcode = {"bra"};
      Operand target;
      target.is = Operand::Is::Label;
      target.index = freshLabels[order[i] + 1];
      jump.operands.push_back(target);
      body.push_back(std::move(jump));
    }
  }
  entry.body = std::move(body);
}

} // namespace hb::ptx
