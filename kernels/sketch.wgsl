// Sums of values with random signs in 256 buckets, for BLOCKS sets of rows of 256 values; one workgroup a set, one
// invocation a bucket. A bucket's value of a row is where the random XOR of the row sends it, so a row is read whole.

override COUNT: u32;
override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> seed: array<u32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>; // BLOCKS rows of 256

const BUCKETS = 256u;

@compute @workgroup_size(BUCKETS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) bucket: u32,
) {
  let block = group.x + group.y * groups.x;
  if (block >= BLOCKS) { return; }
  let row_count = (COUNT - 1u) / BUCKETS + 1u;
  let rows_each = (row_count - 1u) / BLOCKS + 1u;
  let stop = min(row_count, (block + 1u) * rows_each);
  let sign_key = mix_bits(seed[0]);
  let row_key = mix_bits(~seed[0]);

  var total = 0.0;
  for (var row = block * rows_each; row < stop; row++) {
    let i = row * BUCKETS + (bucket ^ (mix_bits(row ^ row_key) & (BUCKETS - 1u)));
    if (i < COUNT) {
      let sign = mix_bits(i ^ sign_key) & 0x80000000u;
      total += bitcast<f32>(bitcast<u32>(x[i]) ^ sign);
    }
  }
  partial[block * BUCKETS + bucket] = total;
}

fn mix_bits(word: u32) -> u32 {
  var bits = word;
  bits = (bits ^ (bits >> 16u)) * 0x85ebca6bu;
  bits = (bits ^ (bits >> 13u)) * 0xc2b2ae35u;
  return bits ^ (bits >> 16u);
}
