// values = values · a + b, 4 · ROUNDS times, a workgroup 64 · 12 · 4 values. A lane has 12 vectors, whose multiply-adds do
// not wait for each other; what one lane reads lies beside what its neighbours read.

override GROUPS: u32;
override ROUNDS: u32;

@group(0) @binding(0) var<storage, read> factors: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;

const LANES = 64u;

fn load(at: u32) -> vec4f {
  return vec4f(values[at], values[at + LANES], values[at + 2u * LANES], values[at + 3u * LANES]);
}

fn store(at: u32, v: vec4f) {
  values[at] = v.x;
  values[at + LANES] = v.y;
  values[at + 2u * LANES] = v.z;
  values[at + 3u * LANES] = v.w;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let g = group.x + group.y * groups.x;
  if (g >= GROUPS) { return; }
  let at = g * LANES * 48u + lane;
  let next = 4u * LANES;
  let a = vec4f(factors[0]);
  let b = vec4f(factors[1]);
  var v0 = load(at);
  var v1 = load(at + 1u * next);
  var v2 = load(at + 2u * next);
  var v3 = load(at + 3u * next);
  var v4 = load(at + 4u * next);
  var v5 = load(at + 5u * next);
  var v6 = load(at + 6u * next);
  var v7 = load(at + 7u * next);
  var v8 = load(at + 8u * next);
  var v9 = load(at + 9u * next);
  var v10 = load(at + 10u * next);
  var v11 = load(at + 11u * next);
  for (var round = 0u; round < ROUNDS; round++) {
    v0 = fma(v0, a, b); v1 = fma(v1, a, b); v2 = fma(v2, a, b); v3 = fma(v3, a, b);
    v4 = fma(v4, a, b); v5 = fma(v5, a, b); v6 = fma(v6, a, b); v7 = fma(v7, a, b);
    v8 = fma(v8, a, b); v9 = fma(v9, a, b); v10 = fma(v10, a, b); v11 = fma(v11, a, b);
    v0 = fma(v0, a, b); v1 = fma(v1, a, b); v2 = fma(v2, a, b); v3 = fma(v3, a, b);
    v4 = fma(v4, a, b); v5 = fma(v5, a, b); v6 = fma(v6, a, b); v7 = fma(v7, a, b);
    v8 = fma(v8, a, b); v9 = fma(v9, a, b); v10 = fma(v10, a, b); v11 = fma(v11, a, b);
    v0 = fma(v0, a, b); v1 = fma(v1, a, b); v2 = fma(v2, a, b); v3 = fma(v3, a, b);
    v4 = fma(v4, a, b); v5 = fma(v5, a, b); v6 = fma(v6, a, b); v7 = fma(v7, a, b);
    v8 = fma(v8, a, b); v9 = fma(v9, a, b); v10 = fma(v10, a, b); v11 = fma(v11, a, b);
    v0 = fma(v0, a, b); v1 = fma(v1, a, b); v2 = fma(v2, a, b); v3 = fma(v3, a, b);
    v4 = fma(v4, a, b); v5 = fma(v5, a, b); v6 = fma(v6, a, b); v7 = fma(v7, a, b);
    v8 = fma(v8, a, b); v9 = fma(v9, a, b); v10 = fma(v10, a, b); v11 = fma(v11, a, b);
  }
  store(at, v0);
  store(at + 1u * next, v1);
  store(at + 2u * next, v2);
  store(at + 3u * next, v3);
  store(at + 4u * next, v4);
  store(at + 5u * next, v5);
  store(at + 6u * next, v6);
  store(at + 7u * next, v7);
  store(at + 8u * next, v8);
  store(at + 9u * next, v9);
  store(at + 10u * next, v10);
  store(at + 11u * next, v11);
}
