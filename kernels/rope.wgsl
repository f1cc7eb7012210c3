// y = x with the pairs (j, j + D/2) of its first ROTATED_HEADS heads turned by the angles of the row's position,
// one invocation a place. x, y are (N, ROW); a row of table (P, D) is cosines, then sines.

override N: u32;
override ROTATED_HEADS: u32;
override ROW: u32;
override D: u32;
override P: u32;
override INVERSE: u32;
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> x: array<stored_x>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<reals>;
@group(0) @binding(3) var<storage, read_write> y: array<stored_y>;

const LANES = 256u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * LANES + lane;
  let width = ROW / WIDTH;
  if (i >= N * width) { return; }
  var value = reals(x[i]);
  let column = i % width;
  let head = D / WIDTH;
  if (column < ROTATED_HEADS * head) {
    let half = head / 2u;
    let j = column % half;
    let angle = positions[i / width] * head + j;
    let is_second = column % head >= half;
    let partner = reals(x[select(i + half, i - half, is_second)]);
    let other = select(-partner, partner, is_second);
    let sine = select(table[angle + half], -table[angle + half], INVERSE == 1u);
    value = value * table[angle] + other * sine;
  }
  if (ACCUMULATE == 1u) { value += reals(y[i]); }
  y[i] = to_y(value);
}
