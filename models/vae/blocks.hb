// What the VAE's encoder and decoder share. Every norm has epsilon 1e-6.
import nn
import sdxl.resnet

let eps = 1e-6

fn resnet_of(config, cin: int, cout: int) {
  resnet.ResnetBlock2D(cin, cout, 0, config.get("norm_num_groups", 32), eps)
}

/// Single-head attention of full width over all positions, beside a skip (diffusers Attention with a group norm). The reader
/// renames the legacy keys query, key, value, proj_attn.
module Attention(width: int, groups: int) {
  group_norm: nn.GroupNorm(groups, width, eps)
  to_q: nn.Linear(width, width)
  to_k: nn.Linear(width, width)
  to_v: nn.Linear(width, width)
  to_out: [nn.Linear(width, width)]

  fn (x: tensor[B, width, H, W]) -> tensor[B, width, H, W] {
    let u = nn.to_tokens(self.group_norm(x))
    x + nn.to_picture(to_out[0](attention(to_q(u), to_k(u), to_v(u), heads: 1)), H, W)
  }
}

/// Resnet, attention (unless mid_block_add_attention is false), resnet (diffusers UNetMidBlock2D).
module MidBlock(config, width: int) {
  let attends = config.get("mid_block_add_attention", true)
  resnets: [resnet_of(config, width, width), resnet_of(config, width, width)]
  if attends {
    attentions: [Attention(width, config.get("norm_num_groups", 32))]
  }

  fn (x: tensor[B, width, H, W]) -> tensor[B, width, H, W] {
    let x = resnets[0](x)
    resnets[1](if attends { attentions[0](x) } else { x })
  }
}
