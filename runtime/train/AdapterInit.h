// Where training starts: fresh adapter factors with the values PEFT draws.
#pragma once

#include "runtime/formats/Adapter.h"

#include <cstdint>
#include <string>
#include <vector>

namespace hb {

/// The order in which diffusers' UNet2DConditionModel names its modules (down blocks, up blocks, middle block; attentions before resnets;
/// to_q, to_k, to_v, to_out; numbers as numbers): the order in which PEFT wraps them, and so the order of random draws and of parameters.
/// Paths with other words are ordered by their letters, behind the known ones.
bool modulePathLess(const std::string &left, const std::string &right);

/// Fresh factors for every site, in PEFT's order, as get_peft_model draws them after torch.manual_seed(seed): A uniform in ±1/√in
/// (kaiming_uniform, a = √5), B zero. PEFT makes both factors as nn.Linear, whose own initialisation takes in · rank and out · rank
/// numbers from the generator before A is drawn for good.
std::vector<AdapterModule> initialAdapter(std::vector<AdapterSite> sites, int64_t rank, double scale, uint64_t seed);

} // namespace hb
