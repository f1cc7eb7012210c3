// Attention of new rows over a cache, one workgroup a row and query head. qkv is (N, (H + 2G)·D), keys and values are
// (P, G·D), y is (N, H·D). Keys go by in tiles of 64 with a running maximum and sum (online softmax): an invocation
// scores one key of the tile, then adds the tile's values into one or two places of the head. Where a head has fewer
// places than there are invocations, teams of them take turns at the values and add up at the end.

override N: u32;
override H: u32;
override G: u32;
override D: u32;
override P: u32;

@group(0) @binding(0) var<storage, read> qkv: array<reals>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<reals>;
@group(0) @binding(3) var<storage, read> values: array<reals>;
@group(0) @binding(4) var<storage, read_write> y: array<reals>;

const LANES = 64u;
const LARGEST_D = 2u * LANES;
const LOWEST = -1.0e30; // below every score; an infinity would make NaN of a difference

var<workgroup> query: array<reals, LARGEST_D / WIDTH>;
var<workgroup> weights: array<f32, LANES>;
var<workgroup> partial: array<reals, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, lane: Lane) {
  let item = group.x + group.y * groups.x;
  if (item < N * H) { attend(item / H, item % H, lane); }
}

fn attend(row: u32, head: u32, lane: Lane) {
  let places = D / WIDTH; // of a head
  let shared_head = head / (H / G) * places;
  let seen = min(positions[row], P - 1u) + 1u;
  for (var i = lane.index; i < places; i += LANES) {
    query[i] = qkv[(row * (H + 2u * G) + head) * places + i] * inverseSqrt(f32(D));
  }
  workgroupBarrier();

  let teams = max(LANES / places, 1u);
  let team = lane.index / places; // those that are left over make sums that nobody adds
  let place = lane.index % places;
  var largest = LOWEST;
  var sum = 0.0; // of the weights of the invocation's own keys
  var first_output = reals();
  var second_output = reals();
  for (var first = 0u; first < seen; first += LANES) {
    let score = score_of(first + lane.index, seen, shared_head);
    let before = largest;
    largest = max(before, largest_of_all(score, lane));
    let weight = select(0.0, exp(score - largest), first + lane.index < seen);
    weights[lane.index] = weight;
    workgroupBarrier();

    let fade = exp(before - largest);
    sum = fma(sum, fade, weight);
    first_output *= fade;
    second_output *= fade;
    for (var i = team; i < min(LANES, seen - first); i += teams) {
      let value = (first + i) * G * places + shared_head + place;
      first_output = fma(reals(weights[i]), values[value], first_output);
      if (place + LANES < places) { second_output = fma(reals(weights[i]), values[value + LANES], second_output); }
    }
  }

  let total = sum_of_all(sum, lane);
  partial[lane.index] = first_output;
  workgroupBarrier();
  let output = (row * H + head) * places + place;
  if (team == 0u) {
    for (var other = 1u; other < teams; other++) { first_output += partial[other * places + place]; }
    y[output] = first_output / total;
  }
  if (place + LANES < places) { y[output + LANES] = second_output / total; }
}

/// The scaled product of the query with one key, or the lowest number for a key that the row does not see.
fn score_of(key: u32, seen: u32, shared_head: u32) -> f32 {
  if (key >= seen) { return LOWEST; }
  let start = key * G * (D / WIDTH) + shared_head;
  var score = reals();
  for (var i = 0u; i < D / WIDTH; i++) { score = fma(query[i], keys[start + i], score); }
  return across(score);
}
