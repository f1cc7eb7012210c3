// The KEPT largest of each chunk of 4,096 values, one workgroup a chunk. Positive floats are ordered like their bits, so
// the size of the least one that is kept is found digit by digit, by counting: four passes over 8 bits each. Which
// values are kept and where they go are then counts of bits in a mask of the chunk. Counting in any order gives the same
// counts, so atomics cost no determinism.

override COUNT: u32;
override KEPT: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> places: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;

const LANES = 256u;
const CHUNK = 4096u;
const WORDS = CHUNK / 32u;
const SMALLEST = 0x0d800000u; // 2^-100
var<workgroup> counts: array<atomic<u32>, 256>; // values by the digit looked at
var<workgroup> mask: array<atomic<u32>, WORDS>; // a bit for each value of the chunk
var<workgroup> before: array<u32, WORDS>; // bits in the words before each
var<workgroup> found: vec2u; // the bits of the least size so far, and how many of that size are kept

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let chunk = group.x + group.y * groups.x;
  if (chunk >= (COUNT + CHUNK - 1u) / CHUNK) { return; }
  let start = chunk * CHUNK;

  var least = 0u;
  var wanted = KEPT;
  for (var shift = 32u; shift > 0u;) {
    shift -= 8u;
    atomicStore(&counts[lane], 0u);
    workgroupBarrier();
    for (var place = lane; place < CHUNK; place += LANES) {
      let bits = size_at(start + place);
      // A shift by 32 is none, so the digits above are compared in two steps.
      if (((bits >> shift) >> 8u) == ((least >> shift) >> 8u)) {
        atomicAdd(&counts[(bits >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var digit = 255u;
      var left = wanted;
      while (atomicLoad(&counts[digit]) < left) {
        left -= atomicLoad(&counts[digit]);
        digit--;
      }
      found = vec2u(least | (digit << shift), left);
    }
    workgroupBarrier();
    least = found.x;
    wanted = found.y;
    workgroupBarrier();
  }

  // Those of the least size that is kept: the first `wanted` of them.
  clear_mask(lane);
  for (var place = lane; place < CHUNK; place += LANES) {
    if (size_at(start + place) == least) { mark(place); }
  }
  count_before(lane);
  var kept = 0u; // a bit for each of this lane's values
  for (var i = 0u; i < CHUNK / LANES; i++) {
    let place = lane + i * LANES;
    let bits = size_at(start + place);
    if (bits > least || (bits == least && rank(place) < wanted)) { kept |= 1u << i; }
  }
  workgroupBarrier();

  clear_mask(lane);
  for (var i = 0u; i < CHUNK / LANES; i++) {
    if (((kept >> i) & 1u) == 1u) { mark(lane + i * LANES); }
  }
  count_before(lane);
  for (var i = 0u; i < CHUNK / LANES; i++) {
    if (((kept >> i) & 1u) == 0u) { continue; }
    let place = lane + i * LANES;
    let slot = chunk * KEPT + rank(place);
    places[slot] = place;
    var value = 0.0;
    if (start + place < COUNT) { value = x[start + place]; }
    values[slot] = value;
  }
}

fn size_at(i: u32) -> u32 {
  if (i >= COUNT) { return 0u; }
  let bits = bitcast<u32>(x[i]) & 0x7fffffffu;
  return select(bits, 0u, bits < SMALLEST);
}

fn clear_mask(lane: u32) {
  if (lane < WORDS) { atomicStore(&mask[lane], 0u); }
  workgroupBarrier();
}

fn mark(place: u32) {
  atomicOr(&mask[place / 32u], 1u << (place % 32u));
}

fn count_before(lane: u32) {
  workgroupBarrier();
  if (lane < WORDS) {
    var count = 0u;
    for (var word = 0u; word < lane; word++) { count += countOneBits(atomicLoad(&mask[word])); }
    before[lane] = count;
  }
  workgroupBarrier();
}

/// How many marked places come before this one.
fn rank(place: u32) -> u32 {
  let lower = atomicLoad(&mask[place / 32u]) & ((1u << (place % 32u)) - 1u);
  return before[place / 32u] + countOneBits(lower);
}
