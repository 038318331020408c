#include "runtime/device/cuda/sim/Flatten.h"
#include "runtime/device/cuda/sim/Lexer.h"

#include <algorithm>

namespace hb::ptx {
namespace {

constexpr size_t kMaxStatements = 1u << 21; // of one entry, calls included
constexpr size_t kMaxCallDepth = 64;

class Flattening {
public:
  Flattening(const Syntax &syntax, FlatEntry &result) : syntax_(syntax), result_(result) {}

  /// Where a copied body finds what it names.
  struct Frame {
    uint32_t registers = 0, labels = 0;
    std::vector<uint32_t> variables;
    uint32_t end = 0;     ///< the label behind the body
    bool called = false;
  };

  Frame open(const Function &function) {
    Frame frame;
    frame.registers = static_cast<uint32_t>(result_.registers.size());
    result_.registers.insert(result_.registers.end(), function.registers.begin(), function.registers.end());
    frame.labels = result_.labels;
    result_.labels += function.labels;
    for (const Variable &variable : function.variables) {
      frame.variables.push_back(static_cast<uint32_t>(result_.variables.size()));
      result_.variables.push_back(variable);
    }
    for (const auto &[label, targets] : function.branchTargets) {
      auto &list = result_.branchTargets[label + frame.labels];
      for (uint32_t target : targets)
        list.push_back(target + frame.labels);
    }
    return frame;
  }

  void copy(const Function &function, const Frame &frame, size_t depth) {
    for (const Statement &original : function.body) {
      if (result_.body.size() >= kMaxStatements)
        unreadable(original.line, "an entry of at most " + std::to_string(kMaxStatements) + " instructions", "more");
      Statement statement = original;
      statement.label += frame.labels;
      if (statement.guard >= 0)
        statement.guard += frame.registers;
      for (Operand &operand : statement.operands)
        rename(operand, frame);
      if (!statement.opcode.empty() && statement.opcode[0] == "call") {
        call(statement, depth);
        continue;
      }
      if (frame.called && !statement.opcode.empty() && statement.opcode[0] == "ret")
        statement.opcode = {"bra"}, statement.operands = {labelOperand(frame.end)};
      result_.body.push_back(std::move(statement));
    }
  }

private:
  static Operand labelOperand(uint32_t label) {
    Operand result;
    result.is = Operand::Is::Label;
    result.index = label;
    return result;
  }

  void rename(Operand &operand, const Frame &frame) {
    if (operand.is == Operand::Is::Register)
      operand.index += frame.registers;
    else if (operand.is == Operand::Is::Label)
      operand.index += frame.labels;
    else if (operand.is == Operand::Is::LocalVariable)
      operand.index = frame.variables[operand.index];
    for (Operand &element : operand.elements)
      rename(element, frame);
  }

  void move(const Statement &call, Operand to, Operand from) {
    Type type = result_.registers[to.index];
    Statement result;
    result.line = call.line;
    result.text = call.text;
    result.guard = call.guard;
    result.guardNegated = call.guardNegated;
    result.opcode = {"mov", type.bits == 64 ? "b64" : type.bits == 32 ? "b32" : type.bits == 16 ? "b16" : "pred"};
    result.operands = {std::move(to), std::move(from)};
    result_.body.push_back(std::move(result));
  }

  void call(const Statement &statement, size_t depth) {
    size_t at = 0;
    std::vector<Operand> results, arguments;
    if (at < statement.operands.size() && statement.operands[at].is == Operand::Is::List)
      results = statement.operands[at++].elements;
    if (at >= statement.operands.size() || statement.operands[at].is != Operand::Is::Function)
      unreadable(statement.line, "a call of a function by its name", std::string(statement.text));
    const Function &callee = syntax_.functions[statement.operands[at++].index];
    if (at < statement.operands.size() && statement.operands[at].is == Operand::Is::List)
      arguments = statement.operands[at].elements;
    if (!callee.defined)
      unreadable(statement.line, "a function that this text defines", callee.name);
    if (depth >= kMaxCallDepth)
      unreadable(statement.line, "no recursion", "calls " + std::to_string(depth) + " deep of " + callee.name);
    if (arguments.size() != callee.parameters.size() || results.size() != callee.results.size())
      unreadable(statement.line, "as many arguments and results as " + callee.name + " has", "others");
    Frame frame = open(callee);
    frame.called = true;
    frame.end = result_.labels++;
    // A guarded call is a branch around the body.
    if (statement.guard >= 0) {
      Statement around = statement;
      around.opcode = {"bra"};
      around.guardNegated = !around.guardNegated;
      around.operands = {labelOperand(frame.end)};
      result_.body.push_back(std::move(around));
    }
    auto bind = [&](uint32_t parameter, const Operand &argument, bool before) {
      if (parameter & kRegisterParameter) {
        Operand own;
        own.is = Operand::Is::Register;
        own.index = (parameter & ~kRegisterParameter) + frame.registers;
        if (before)
          move(statement, own, argument);
        else
          move(statement, argument, own);
      } else if (argument.is != Operand::Is::LocalVariable) {
        unreadable(statement.line, "a .param variable as argument", std::string(statement.text));
      } else if (before || !(parameter & kRegisterParameter)) {
        frame.variables[parameter] = argument.index;
      }
    };
    for (size_t i = 0; i < arguments.size(); ++i)
      bind(callee.parameters[i], arguments[i], true);
    for (size_t i = 0; i < results.size(); ++i)
      if (!(callee.results[i] & kRegisterParameter))
        bind(callee.results[i], results[i], true);
    copy(callee, frame, depth + 1);
    for (size_t i = 0; i < results.size(); ++i)
      if (callee.results[i] & kRegisterParameter)
        bind(callee.results[i], results[i], false);
    Statement end;
    end.line = statement.line;
    end.label = frame.end;
    result_.body.push_back(std::move(end));
  }

  const Syntax &syntax_;
  FlatEntry &result_;
};

} // namespace

FlatEntry flatten(const Syntax &syntax, const Function &entry) {
  FlatEntry result;
  Flattening work(syntax, result);
  Flattening::Frame frame = work.open(entry);
  result.parameters = entry.parameters;
  work.copy(entry, frame, 0);
  return result;
}

} // namespace hb::ptx
