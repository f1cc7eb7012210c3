// losses = lse(logits) − logits[target], and scale · (softmax − one-hot) in place of the logits, one workgroup a row.
// logits is (N, V); targets, losses are (N). The first pass over the row finds its maximum and the sum of exponentials
// below it, together; the second writes the gradient.

override N: u32;
override V: u32;
override GRADIENT: u32;

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

const LANES = 256u;
const IGNORED = 0xffffffffu;
const LOWEST = -1.0e30; // below every logit; an infinity would make NaN of a difference

/// A part of a row: x is its maximum, y is Σ exp(logit − maximum).
var<workgroup> partial: array<vec2f, LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row < N) { judge(row, lane); }
}

fn judge(row: u32, lane: u32) {
  let start = row * V;
  let target_id = targets[row];
  let counts = target_id != IGNORED;

  var share = vec2f(LOWEST, 0.0);
  for (var v = lane; v < V; v += LANES) { share = joined(share, vec2f(logits[start + v], 1.0)); }
  let whole = total(share, lane);

  // Written before any logit changes, and by the one invocation that reads the target's logit: no race.
  if (lane == 0u) {
    var loss = 0.0;
    if (counts) { loss = whole.x - logits[start + target_id] + log(whole.y); }
    losses[row] = loss;
  }
  storageBarrier();

  if (GRADIENT == 1u) {
    let factor = select(0.0, scale[0], counts);
    for (var v = lane; v < V; v += LANES) {
      let probability = exp(logits[start + v] - whole.x) / whole.y;
      logits[start + v] = factor * (probability - select(0.0, 1.0, v == target_id));
    }
  }
}

/// Two parts of a row as one.
fn joined(a: vec2f, b: vec2f) -> vec2f {
  let smaller = exp(-abs(a.x - b.x));
  return select(vec2f(b.x, fma(a.y, smaller, b.y)), vec2f(a.x, fma(b.y, smaller, a.y)), a.x >= b.x);
}

/// All parts joined, in a fixed order, known to all.
fn total(share: vec2f, lane: u32) -> vec2f {
  partial[lane] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] = joined(partial[lane], partial[lane + half]); }
  }
  workgroupBarrier();
  return partial[0];
}
