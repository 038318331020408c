// DDIM and Euler schedules against diffusers' tables and single steps; settings that must be refused; size conditioning.
#include "runtime/pipeline/Scheduler.h"
#include "runtime/pipeline/TimeIds.h"
#include "tests/runtime/pipeline/TestData.h"

#include <cmath>

namespace hb {
namespace {

using test::expectError;

std::vector<float> floats(const nlohmann::json &list) { return list.get<std::vector<float>>(); }

SchedulerConfig published(SamplingMethod method) { return SchedulerConfig::parse(test::table("schedulers.json")["config"].dump(), "config", method); }

/// ‖a − b‖/‖b‖.
double relativeL2(const std::vector<float> &a, const std::vector<double> &b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

TEST(Scheduler, BetasAndAlphasToTheBit) {
  nlohmann::json tables = test::table("schedulers.json");
  SchedulerConfig config = published(SamplingMethod::Ddim);
  EXPECT_EQ(trainingBetas(config), floats(tables["betas"]));
  EXPECT_EQ(alphasCumprod(config), floats(tables["alphas_cumprod"]));
}

class DdimTest : public testing::TestWithParam<std::pair<const char *, SamplingMethod>> {};

TEST_P(DdimTest, TablesAndSteps) {
  auto [key, method] = GetParam();
  nlohmann::json cases = test::table("schedulers.json")[key];
  ASSERT_EQ(cases.size(), 4u);
  for (const auto &one : cases) {
    Schedule schedule = makeSchedule(published(method), method, one["steps"].get<int64_t>());
    EXPECT_EQ(schedule.initNoiseSigma, one["init_noise_sigma"].get<float>());
    ASSERT_EQ(schedule.rows.size(), one["table"].size());
    for (size_t i = 0; i < schedule.rows.size(); ++i) {
      const StepRow &row = schedule.rows[i];
      EXPECT_EQ(row.timestep, one["timesteps"][i].get<float>());
      EXPECT_EQ(row.inScale, 1.0f);
      // The table's float64 constants, rounded once; c_eps is a difference whose last float64 digits depend on its arrangement.
      EXPECT_EQ(row.cx, one["table"][i]["c_x"].get<float>()) << one["steps"] << " " << i;
      EXPECT_NEAR(row.ce, one["table"][i]["c_eps"].get<double>(), 6e-8 * std::fabs(row.ce)) << one["steps"] << " " << i;
    }
    for (const auto &example : one["examples"]) {
      if (example["eta"].get<double>() != 0)
        continue; // noise between the steps is not offered
      size_t at = 0;
      while (schedule.rows[at].timestep != example["t"].get<float>())
        ++at;
      std::vector<float> x = floats(example["sample"]);
      applyStep(schedule.rows[at], x, floats(example["model_output"]));
      EXPECT_LT(relativeL2(x, example["result_f64"].get<std::vector<double>>()), 1.2e-7) << one["steps"] << " " << at;
      EXPECT_LT(relativeL2(x, example["result_f32"].get<std::vector<double>>()), 4e-7) << one["steps"] << " " << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Grids, DdimTest,
                         testing::Values(std::pair{"ddim", SamplingMethod::Ddim}, std::pair{"ddim_hummingbird", SamplingMethod::DdimHummingbird}),
                         [](const auto &info) { return std::string(info.param.second == SamplingMethod::Ddim ? "Stock" : "Hummingbird"); });

TEST(Scheduler, EulerTablesAndSteps) {
  nlohmann::json cases = test::rows("schedulers.json", "euler");
  ASSERT_EQ(cases.size(), 2u);
  for (const auto &one : cases) {
    Schedule schedule = makeSchedule(published(SamplingMethod::Euler), SamplingMethod::Euler, one["steps"].get<int64_t>());
    EXPECT_EQ(schedule.initNoiseSigma, one["init_noise_sigma"].get<float>());
    std::vector<float> sigmas = floats(one["sigmas"]);
    ASSERT_EQ(schedule.rows.size() + 1, sigmas.size());
    for (size_t i = 0; i < schedule.rows.size(); ++i) {
      EXPECT_EQ(schedule.rows[i].timestep, one["timesteps"][i].get<float>());
      EXPECT_EQ(schedule.rows[i].cx, 1.0f);
      // The square roots of torch's vector library miss the nearest float32 now and then; each σ may be one unit apart.
      float unit = std::nextafter(sigmas[i], 100.0f) - sigmas[i];
      EXPECT_NEAR(schedule.rows[i].ce, sigmas[i + 1] - sigmas[i], 2 * unit) << i;
    }
    for (const auto &example : one["examples"]) {
      const StepRow &row = schedule.rows[example["index"].get<size_t>()];
      std::vector<float> x = floats(example["sample"]), input = x;
      for (float &value : input)
        value *= row.inScale;
      EXPECT_LT(relativeL2(input, example["scaled_model_input_f32"].get<std::vector<double>>()), 1.2e-7);
      applyStep(row, x, floats(example["model_output"]));
      EXPECT_LT(relativeL2(x, example["result_f32"].get<std::vector<double>>()), 4e-7);
    }
  }
}

TEST(Scheduler, WholeLoopAgreesWithFloat64) {
  // The float32 table against DDIM in float64 from the same ᾱ, noise predictions made up: 50 steps stay within 1e-6.
  for (SamplingMethod method : {SamplingMethod::Ddim, SamplingMethod::DdimHummingbird}) {
    SchedulerConfig config = published(method);
    std::vector<float> alphas = alphasCumprod(config);
    Schedule schedule = makeSchedule(config, method, 50);
    std::vector<float> x{0.5f, -1.25f, 2.0f, 0.125f};
    std::vector<double> reference(x.begin(), x.end());
    for (const StepRow &row : schedule.rows) {
      std::vector<float> eps;
      for (size_t i = 0; i < x.size(); ++i)
        eps.push_back(float(std::sin(double(row.timestep) + double(i))));
      applyStep(row, x, eps);
      int64_t t = int64_t(row.timestep), p = t - 20;
      double at = alphas[size_t(t)], ap = alphas[size_t(std::max<int64_t>(p, 0))];
      for (size_t i = 0; i < x.size(); ++i) {
        double x0 = (reference[i] - std::sqrt(1 - at) * eps[i]) / std::sqrt(at);
        reference[i] = std::sqrt(ap) * x0 + std::sqrt(1 - ap) * eps[i];
      }
    }
    EXPECT_LT(relativeL2(x, reference), 1e-6);
  }
}

TEST(Scheduler, FinalAlphaFollowsTheSetting) {
  SchedulerConfig config = published(SamplingMethod::DdimHummingbird);
  float kept = makeSchedule(config, SamplingMethod::DdimHummingbird, 25).rows.back().cx;
  config.alphaOneAtEnd = true;
  float one = makeSchedule(config, SamplingMethod::DdimHummingbird, 25).rows.back().cx;
  EXPECT_NEAR(kept, 1.018652, 1e-6);
  EXPECT_NEAR(one, 1 / std::sqrt(0.9628949), 1e-6);
}

TEST(Scheduler, ShortTrainingSchedules) {
  SchedulerConfig config = published(SamplingMethod::DdimHummingbird);
  // Hummingbird's grid never falls below time step 1, and takes as many steps as there are training steps.
  EXPECT_EQ(makeSchedule(config, SamplingMethod::DdimHummingbird, 1000).rows.back().timestep, 1.0f);
  EXPECT_EQ(makeSchedule(config, SamplingMethod::DdimHummingbird, 1).rows.front().timestep, 999.0f);
}

TEST(Scheduler, StepsOutOfRange) {
  SchedulerConfig config = published(SamplingMethod::Ddim);
  for (int64_t steps : {int64_t(0), int64_t(-1), int64_t(1001), INT64_MAX, INT64_MIN})
    expectError(604, ExitCode::Usage, "1000", [&] { makeSchedule(config, SamplingMethod::Ddim, steps); });
  expectError(604, ExitCode::Usage, "begin at time step 1000", [&] { makeSchedule(config, SamplingMethod::Ddim, 1000); });
}

TEST(Scheduler, Names) {
  for (SamplingMethod method : {SamplingMethod::Ddim, SamplingMethod::DdimHummingbird, SamplingMethod::Euler})
    EXPECT_EQ(parseSamplingMethod(samplingMethodName(method)), method);
  expectError(603, ExitCode::Usage, "\"plms\"", [] { parseSamplingMethod("plms"); });
  EXPECT_EQ(SchedulerConfig::ownMethodOf(test::table("schedulers.json")["config"].dump(), "c"), SamplingMethod::Euler);
  EXPECT_EQ(SchedulerConfig::ownMethodOf(R"({"_class_name": "DDIMScheduler"})", "c"), SamplingMethod::Ddim);
  expectError(635, ExitCode::BadFile, "_class_name", [] { SchedulerConfig::ownMethodOf(R"({"_class_name": "LCMScheduler"})", "c"); });
}

TEST(Scheduler, RefusesSettings) {
  struct Row {
    int number;
    SamplingMethod method;
    const char *key, *value;
  };
  constexpr auto Ddim = SamplingMethod::Ddim, Lead = SamplingMethod::DdimHummingbird, Euler = SamplingMethod::Euler;
  const Row rows[] = {
      {635, Ddim, "prediction_type", R"("v_prediction")"}, {635, Euler, "prediction_type", R"("v_prediction")"},
      {635, Euler, "use_karras_sigmas", "true"},           {635, Euler, "use_exponential_sigmas", "true"},
      {635, Euler, "use_beta_sigmas", "true"},             {635, Ddim, "rescale_betas_zero_snr", "true"},
      {635, Euler, "rescale_betas_zero_snr", "true"},      {635, Ddim, "clip_sample", "true"},
      {635, Lead, "clip_sample", "null"},                  {635, Ddim, "thresholding", "true"},
      {635, Ddim, "timestep_spacing", R"("trailing")"},    {635, Euler, "timestep_spacing", "null"},
      {635, Euler, "interpolation_type", R"("log_linear")"}, {635, Euler, "final_sigmas_type", R"("sigma_min")"},
      {635, Euler, "timestep_type", R"("continuous")"},    {635, Euler, "sigma_max", "14.6"},
      {635, Ddim, "trained_betas", "[0.1]"},               {635, Ddim, "beta_schedule", R"("squaredcos_cap_v2")"},
      {633, Ddim, "num_train_timesteps", "1"},             {633, Ddim, "num_train_timesteps", "1e3"},
      {633, Ddim, "num_train_timesteps", "18446744073709551615"}, {633, Ddim, "beta_start", R"("small")"},
      {633, Ddim, "beta_end", "2"},                        {633, Ddim, "steps_offset", "-1"},
      {633, Ddim, "steps_offset", "1000"},                 {633, Ddim, "set_alpha_to_one", R"("no")"},
      {633, Ddim, "prediction_type", "7"},                 {634, Ddim, "lambda_min_clipped", "1"},
  };
  nlohmann::json sound = test::rows("schedulers.json", "config");
  for (const Row &row : rows) {
    nlohmann::json config = sound;
    config[row.key] = nlohmann::json::parse(row.value);
    expectError(row.number, ExitCode::BadFile, row.key, [&] { SchedulerConfig::parse(config.dump(), "c", row.method); });
  }
  expectError(632, ExitCode::BadFile, "c", [] { SchedulerConfig::parse("[]", "c", SamplingMethod::Ddim); });
}

TEST(Scheduler, OtherMethodsSettingsDoNotMatter) {
  nlohmann::json config = test::rows("schedulers.json", "config");
  config["use_karras_sigmas"] = true;
  config["timestep_spacing"] = "trailing";
  EXPECT_EQ(makeSchedule(SchedulerConfig::parse(config.dump(), "c", SamplingMethod::DdimHummingbird), SamplingMethod::DdimHummingbird, 4).rows.size(), 4u);
}

TEST(TimeIds, OrderAndRange) {
  EXPECT_EQ(timeIds(64, 96), (std::array<float, 6>{64, 96, 0, 0, 64, 96}));
  EXPECT_EQ(timeIds({1, 2}, {3, 4}, {5, 6}), (std::array<float, 6>{1, 2, 3, 4, 5, 6}));
  expectError(606, ExitCode::Usage, "original height", [] { timeIds({0, 2}, {3, 4}, {5, 6}); });
  expectError(606, ExitCode::Usage, "crop left", [] { timeIds({1, 2}, {3, -4}, {5, 6}); });
  expectError(606, ExitCode::Usage, "target width", [] { timeIds({1, 2}, {3, 4}, {5, 1 << 24}); });
}

} // namespace
} // namespace hb
