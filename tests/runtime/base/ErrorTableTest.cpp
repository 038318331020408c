#include "runtime/base/Error.h"

#include <gtest/gtest.h>

namespace hb {
namespace {

TEST(ErrorTable, RowsAreInOrderAndComplete) {
  // findError searches by halving, so order is not a matter of taste.
  for (const ErrorInfo *row = errorTableBegin(); row != errorTableEnd(); ++row) {
    if (row != errorTableBegin()) {
      EXPECT_LT((row - 1)->number, row->number);
    }
    EXPECT_EQ(findError(row->number), row);
    EXPECT_FALSE(row->title.empty()) << row->number;
    EXPECT_GT(row->page.size(), 20u) << row->number;
    EXPECT_NE(row->exitCode, ExitCode::Ok) << row->number;
  }
  EXPECT_EQ(findError(0), nullptr);
}

TEST(ErrorTable, MessageHasTheContractsForm) {
  Error error(902, "model.safetensors:name", "a", "b", "do c");
  EXPECT_STREQ(error.what(), "error HB0902: model.safetensors:name: expected a; found b; do c");
  EXPECT_EQ(error.exitCode(), ExitCode::BadFile);
}

} // namespace
} // namespace hb
