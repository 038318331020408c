// What the rewards say about a picture, all of them in one program and under the names by which training knows them.
import vae.autoencoder
import rewards

/// The rewards given by --reward, of pictures in 0…1. Texts and reference pictures are those of hummingbird_loss_and_grad.
entry score for pipeline (image: tensor[B, 3, h, w; f32],
                          blip2.input_ids: tensor[B, L; i64] if has_component("blip2"),
                          blip2.attention_mask: tensor[B, L; i64] if has_component("blip2"),
                          clip_image.reference: tensor[B, 3, S, S] if has_component("clip_image"),
                          pickscore.input_ids: tensor[B, T; i64] if has_component("pickscore"),
                          hpsv2.input_ids: tensor[B, T; i64] if has_component("hpsv2"))
    if len(options.rewards) > 0
    where B = 1, T = 77, L = 32, h = autoencoder.sample_sides(component("vae"))[0], w = autoencoder.sample_sides(component("vae"))[1], S = rewards.reference_side() {
  let judges = [["blip2", rewards.blip2, blip2], ["clip_image", rewards.clip_image, clip_image], ["pickscore", rewards.pickscore, pickscore],
                ["hpsv2", rewards.hpsv2, hpsv2], ["aesthetic", rewards.aesthetic, none]]
  let present = [for judge in judges if has_component(judge[0]) => judge]
  record([for judge in present => "reward." + judge[0]], [for judge in present => cast(judge[1](cast(image), judge[2]), f32)])
}
