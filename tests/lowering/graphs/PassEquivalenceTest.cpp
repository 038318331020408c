// Every pass of simplify and fuse, and both phases together, must not change what a network computes: random graphs are
// evaluated before and after in float64.
#include "lowering/fuse/Passes.h"
#include "lowering/simplify/Passes.h"
#include "tests/lowering/graphs/RandomGraph.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace hb;

namespace {

struct Row {
  const char *name;
  void (*build)(mlir::OpPassManager &);
};

template <typename Create> void nested(mlir::OpPassManager &passes, Create create) { passes.addNestedPass<mlir::func::FuncOp>(create()); }

const Row rows[] = {
    {"channelsLast", [](mlir::OpPassManager &passes) { nested(passes, [] { return createHbChannelsLast(); }); }},
    {"hoist", [](mlir::OpPassManager &passes) { nested(passes, [] { return createHbHoistLoopInvariant(); }); }},
    {"simplify", [](mlir::OpPassManager &passes) { passes.addPass(createHbSimplify()); }},
    {"gatedLinear", [](mlir::OpPassManager &passes) { nested(passes, [] { return createHbFuseGatedLinear(); }); }},
    {"mergeProjections", [](mlir::OpPassManager &passes) { nested(passes, [] { return createHbMergeProjections(); }); }},
    {"simplifyPhase", [](mlir::OpPassManager &passes) { buildSimplifyPhase(passes); }},
    {"bothPhases",
     [](mlir::OpPassManager &passes) {
       buildSimplifyPhase(passes);
       buildFusePhase(passes);
     }},
};

class PassEquivalence : public testing::TestWithParam<Row> {};

std::vector<nn::Tensor> evaluate(mlir::ModuleOp module, uint64_t seed) {
  auto function = module.lookupSymbol<mlir::func::FuncOp>("f");
  return nn::Evaluator(test::randomParameter).call(function, test::randomInputs(function, seed));
}

TEST_P(PassEquivalence, KeepsTheMeaningOfRandomGraphs) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NnDialect, mlir::func::FuncDialect>();
  int changed = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    mlir::OwningOpRef<mlir::ModuleOp> module = test::randomGraph(context, seed);
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
    std::string before, after;
    llvm::raw_string_ostream(before) << *module;
    std::vector<nn::Tensor> expected = evaluate(*module, seed);
    mlir::PassManager passes(&context, mlir::ModuleOp::getOperationName());
    GetParam().build(passes);
    ASSERT_TRUE(mlir::succeeded(passes.run(*module)));
    llvm::raw_string_ostream(after) << *module;
    changed += before != after;
    std::vector<nn::Tensor> found = evaluate(*module, seed);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].shape, expected[i].shape);
      double distance = 0, size = 0;
      for (int64_t j = 0; j < found[i].size(); ++j) {
        distance += std::pow(found[i][j] - expected[i][j], 2);
        size += std::pow(expected[i][j], 2);
      }
      ASSERT_LE(std::sqrt(distance), 1e-10 * std::sqrt(size) + 1e-12) << before << "\n" << after;
    }
  }
  EXPECT_GT(changed, 10) << "the random graphs hardly give the pass anything to do";
}

INSTANTIATE_TEST_SUITE_P(Passes, PassEquivalence, testing::ValuesIn(rows), [](const auto &info) { return info.param.name; });

} // namespace
