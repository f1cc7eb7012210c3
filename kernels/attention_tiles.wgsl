// What the three shaders of attention have in common, without the rows that they read and write: two slices in workgroup
// memory and the product of them. The comment of `attention.wgsl` explains tiles, parts and slices.

const TILE = 32u; // rows, keys, and values of a head in one slice
const PART = 4u;
const SIDE = TILE / PART; // the workgroup is SIDE × SIDE invocations
const LANES = SIDE * SIDE;

var<workgroup> left: array<vec4f, TILE * SIDE>; // rows of the product: a slice of them, or a tile that was computed
var<workgroup> right: array<vec4f, TILE * SIDE>; // columns of the product

/// An invocation's 4 vectors become one each of 4 depths.
fn store_left(part: mat4x4f, lane: u32) {
  let turned = transpose(part);
  let depth = lane % SIDE * PART;
  left[at(depth, lane / SIDE)] = turned[0];
  left[at(depth + 1u, lane / SIDE)] = turned[1];
  left[at(depth + 2u, lane / SIDE)] = turned[2];
  left[at(depth + 3u, lane / SIDE)] = turned[3];
}

fn store_right(part: mat4x4f, lane: u32) {
  let turned = transpose(part);
  let depth = lane % SIDE * PART;
  right[at(depth, lane / SIDE)] = turned[0];
  right[at(depth + 1u, lane / SIDE)] = turned[1];
  right[at(depth + 2u, lane / SIDE)] = turned[2];
  right[at(depth + 3u, lane / SIDE)] = turned[3];
}

/// A place in `left` or `right`: the vector of this depth that the row or column `place` of the workgroup reads. Depths
/// in the order of their fours change the bank, so that neither a row nor a column of vectors is in one bank.
fn at(depth: u32, place: u32) -> u32 {
  return depth * SIDE + (place ^ (depth / PART));
}

/// before + leftᵀ · right over so many depths, between barriers.
fn add_product(depths: u32, lane: u32, before: mat4x4f) -> mat4x4f {
  workgroupBarrier();
  var part = before;
  for (var depth = 0u; depth < depths; depth += PART) {
    let row = at(depth, lane / SIDE);
    let column = at(depth, lane % SIDE);
    part = add_outer(left[row], right[column], part);
    part = add_outer(left[row + SIDE], right[column + SIDE], part);
    part = add_outer(left[row + 2u * SIDE], right[column + 2u * SIDE], part);
    part = add_outer(left[row + 3u * SIDE], right[column + 3u * SIDE], part);
  }
  workgroupBarrier();
  return part;
}

fn add_outer(rows: vec4f, columns: vec4f, part: mat4x4f) -> mat4x4f {
  return mat4x4f(
    fma(vec4f(rows[0]), columns, part[0]),
    fma(vec4f(rows[1]), columns, part[1]),
    fma(vec4f(rows[2]), columns, part[2]),
    fma(vec4f(rows[3]), columns, part[3]),
  );
}
