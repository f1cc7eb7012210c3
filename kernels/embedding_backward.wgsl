// dtable[p] = sum of dy[n] over the tokens n whose id is p; dtable is (P, C), dy is (N, C).
// One workgroup a row: its lanes look through all ids for the first and the last token of the row, then each lane sums
// its columns between the two, in the order of tokens. No atomics, so two runs give the same bits; and most rows of a
// large table have no token, so most workgroups end after the search, which costs 1 / (2 C) of the output matmul.

override N: u32;
override P: u32;
override C: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dtable: array<f32>;

const LANES = 64u;
var<workgroup> first: array<u32, LANES>;
var<workgroup> stop: array<u32, LANES>; // one past the last token

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= P) { return; }

  var lane_first = N;
  var lane_stop = 0u;
  for (var n = lane; n < N; n += LANES) {
    if (ids[n] == row) {
      lane_first = min(lane_first, n);
      lane_stop = n + 1u;
    }
  }
  first[lane] = lane_first;
  stop[lane] = lane_stop;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      first[lane] = min(first[lane], first[lane + half]);
      stop[lane] = max(stop[lane], stop[lane + half]);
    }
  }
  workgroupBarrier();

  if (ACCUMULATE == 1u && stop[0] == 0u) { return; }
  for (var c = lane; c < C; c += LANES) {
    var sum = 0.0;
    for (var n = first[0]; n < stop[0]; n++) {
      if (ids[n] == row) { sum += dy[n * C + c]; }
    }
    if (ACCUMULATE == 1u) { sum += dtable[row * C + c]; }
    dtable[row * C + c] = sum;
  }
}
