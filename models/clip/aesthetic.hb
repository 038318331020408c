// LAION's aesthetic predictor: a chain of linears on a normalised CLIP embedding.
import nn
import vision, preprocess

/// Five linears without activations (the improved aesthetic predictor's MLP; its dropouts are inactive). Widths are the stored ones.
module AestheticHead(config) {
  let sizes = [for i in [0, 2, 4, 6, 7] => stored_shape(config, "layers." + str(i) + ".weight")]
  layers: {
    0: nn.Linear(sizes[0][1], sizes[0][0]),
    2: nn.Linear(sizes[1][1], sizes[1][0]),
    4: nn.Linear(sizes[2][1], sizes[2][0]),
    6: nn.Linear(sizes[3][1], sizes[3][0]),
    7: nn.Linear(sizes[4][1], 1),
  }

  fn (x: tensor[B, P]) -> tensor[B] {
    let x = for i in [0, 2, 4, 6, 7] from x => layers[i](x)
    x[:, 0]
  }
}

/// The head on embedding / norm, for the tower of `config` with the head beside it.
fn score(config, image: tensor[B, 3, h, w]) -> tensor[B] {
  let tower = vision.CLIPVisionModelWithProjection(config)
  let head = AestheticHead(weights_file(config, "aesthetic_head.safetensors"))
  let (embedding, last) = tower(preprocess.tower_pixels(image, vision.image_size(config)))
  head(embedding / sqrt(sum(embedding * embedding, axis: 1))[:, newaxis])
}

/// Aesthetic score of pictures in 0…1.
entry aesthetic_score for CLIPVisionModelWithProjection (image: tensor[B, 3, h, w])
    if has_file(config, "aesthetic_head.safetensors") vjp image
    where B = 1, h = vision.image_size(config), w = vision.image_size(config)
    -> (score: tensor[B]) {
  score(config, image)
}
