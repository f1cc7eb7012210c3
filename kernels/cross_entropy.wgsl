// losses = lse(logits) − logits[target], and scale · (softmax − one-hot) in place of the logits, one workgroup a row.
// logits is (N, V); targets, losses are (N). The first pass over the row finds its maximum and the sum of exponentials
// below it, together; the second writes the gradient.

override N: u32;
override V: u32;
override GRADIENT: u32;

@group(0) @binding(0) var<storage, read_write> logits: array<reals>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;

const LANES = 256u;
const IGNORED = 0xffffffffu;
const LOWEST = -1.0e30; // below every logit; an infinity would make NaN of a difference

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  lane: Lane,
) {
  let row = group.x + group.y * groups.x;
  if (row < N) { judge(row, lane); }
}

fn judge(row: u32, lane: Lane) {
  let width = V / WIDTH;
  let start = row * width;
  let target_id = targets[row];
  let counts = target_id != IGNORED;

  // Of each of the values of a place apart: the maximum, and Σ exp(logit − maximum).
  var maxima = reals(LOWEST);
  var sums = reals();
  for (var v = lane.index; v < width; v += LANES) {
    let logit = logits[start + v];
    let smaller = exp(-abs(logit - maxima)); // of the two factors the one that is not 1
    sums = select(sums + smaller, fma(sums, smaller, reals(1.0)), logit > maxima);
    maxima = max(maxima, logit);
  }
  let largest = largest_of_all(highest(maxima), lane);
  let sum = sum_of_all(across(sums * exp(maxima - largest)), lane);

  // Written before any logit changes, and by the one invocation that reads the target's logit: no race.
  if (lane.index == 0u) {
    var loss = 0.0;
    if (counts) {
      let place = target_id / WIDTH;
      let logit = across(select(reals(), logits[start + place], places(place) == indices(target_id)));
      loss = largest - logit + log(sum);
    }
    losses[row] = loss;
  }
  storageBarrier();

  if (GRADIENT == 1u) {
    let factor = select(0.0, scale[0], counts);
    for (var v = lane.index; v < width; v += LANES) {
      let probability = exp(logits[start + v] - largest) / sum;
      let one_hot = select(reals(), reals(1.0), places(v) == indices(target_id));
      logits[start + v] = factor * (probability - one_hot);
    }
  }
}
