// dtable[p] = sum of dy[n] over the tokens n whose id is p; dtable is (P, C), dy is (N, C).
// `order` has the tokens sorted by id; at the place where a segment of one id begins, `stops` has the place after it.
// One workgroup takes 64 places of one segment, in the order of tokens; those of places where none begins end at once.
// No atomics and no search, so two runs give the same bits, and the cost goes by the tokens and not by the table.
// What is overwritten must also lose the rows that no token has: each segment clears those before it, the last one also
// those after it.

override N: u32;
override P: u32;
override C: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> stops: array<u32>;
@group(0) @binding(3) var<storage, read> dy: array<reals>;
@group(0) @binding(4) var<storage, read_write> dtable: array<reals>;

const COLUMNS = 64u; // places

@compute @workgroup_size(COLUMNS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let width = C / WIDTH;
  let blocks = (width + COLUMNS - 1u) / COLUMNS;
  let index = group.x + group.y * groups.x;
  let place = index / blocks;
  let c = index % blocks * COLUMNS + lane;
  if (place >= N || c >= width) { return; }
  let stop = stops[place];
  if (stop <= place) { return; }
  let row = ids[order[place]];

  var sum = reals();
  var k = place;
  for (; k + 4u <= stop; k += 4u) { // four loads are under way at once
    let a = dy[order[k] * width + c];
    let b = dy[order[k + 1u] * width + c];
    let d = dy[order[k + 2u] * width + c];
    let e = dy[order[k + 3u] * width + c];
    sum = sum + a + b + d + e;
  }
  for (; k < stop; k++) { sum += dy[order[k] * width + c]; }

  if (ACCUMULATE == 1u) {
    sum += dtable[row * width + c];
  } else {
    var first = 0u;
    if (place > 0u) { first = ids[order[place - 1u]] + 1u; }
    for (var p = first; p < row; p++) { dtable[p * width + c] = reals(); }
    if (stop == N) {
      for (var p = row + 1u; p < P; p++) { dtable[p * width + c] = reals(); }
    }
  }
  dtable[row * width + c] = sum;
}
