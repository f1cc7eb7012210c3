// Attention of new rows over a cache, one workgroup a row and query head. qkv is (N, (H + 2G)·D), keys and values are
// (P, G·D), y is (N, H·D). Keys go by in tiles of 64 with a running maximum and sum (online softmax): an invocation
// scores one key of the tile, then adds the tile's values into one or two (D > 64) outputs of the head.

override N: u32;
override H: u32;
override G: u32;
override D: u32;
override P: u32;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<f32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

const LANES = 64u;
const LARGEST_D = 2u * LANES;
const LOWEST = -1.0e30; // below every score; an infinity would make NaN of a difference

var<workgroup> query: array<f32, LARGEST_D>;
var<workgroup> weights: array<f32, LANES>;
var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = group.x + group.y * groups.x;
  if (item < N * H) { attend(item / H, item % H, lane); }
}

fn attend(row: u32, head: u32, lane: u32) {
  let shared_head = head / (H / G) * D;
  let seen = min(positions[row], P - 1u) + 1u;
  for (var d = lane; d < D; d += LANES) {
    query[d] = qkv[row * (H + 2u * G) * D + head * D + d] * inverseSqrt(f32(D));
  }
  workgroupBarrier();

  var largest = LOWEST;
  var sum = 0.0;
  var outputs = vec2f();
  for (var first = 0u; first < seen; first += LANES) {
    let score = score_of(first + lane, seen, shared_head);
    let before = largest;
    largest = max(before, largest_of_all(score, lane));
    weights[lane] = select(0.0, exp(score - largest), first + lane < seen);
    workgroupBarrier();

    let fade = exp(before - largest);
    sum *= fade;
    outputs *= fade;
    for (var i = 0u; i < min(LANES, seen - first); i++) {
      let value = (first + i) * G * D + shared_head + lane;
      let weight = weights[i];
      sum += weight;
      if (lane < D) { outputs.x = fma(weight, values[value], outputs.x); }
      if (lane + LANES < D) { outputs.y = fma(weight, values[value + LANES], outputs.y); }
    }
    workgroupBarrier();
  }

  let place = (row * H + head) * D + lane;
  if (lane < D) { y[place] = outputs.x / sum; }
  if (lane + LANES < D) { y[place + LANES] = outputs.y / sum; }
}

/// The scaled product of the query with one key, or the lowest number for a key that the row does not see.
fn score_of(key: u32, seen: u32, shared_head: u32) -> f32 {
  if (key >= seen) { return LOWEST; }
  let start = key * G * D + shared_head;
  var score = 0.0;
  for (var d = 0u; d < D; d++) { score = fma(query[d], keys[start + d], score); }
  return score;
}

fn largest_of_all(mine: f32, lane: u32) -> f32 {
  partial[lane] = mine;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
  }
  workgroupBarrier();
  return partial[0];
}
