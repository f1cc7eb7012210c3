/**
 * The WGSL by which the invocations of a workgroup make one value of a share of each: by a tree in workgroup memory, or
 * by subgroups, whose invocations add without it, and then over the few subgroups.
 *
 * A text that calls these functions is the same for both. Its entry point has a parameter `lane: Lane`, with
 * `lane.index` in the workgroup, and its constant LANES says how many invocations there are: a power of two. What they
 * give is known to all. Workgroups have one dimension.
 *
 * The one thing to know before editing: nobody says how large a subgroup is. Drivers have 4 to 128, with the last one
 * of a workgroup perhaps not full, and an invocation that is not there may not be asked. So there are no shuffles; and
 * the order of the sums, which differs between devices, is fixed on each.
 * @module
 */
import type { ReducedType } from "./kernel.ts";

/** `sum_of_all(share, lane)`, and of f32 also `largest_of_all(share, lane)`: called by all invocations, or by none. */
export function reductionLines(type: ReducedType, form: "tree" | "subgroups"): string[] {
  const reductions = [
    { name: "sum_of_all", inSubgroup: "subgroupAdd", joined: (a: string, b: string) => `${a} + ${b}` },
    ...(type === "f32"
      ? [{ name: "largest_of_all", inSubgroup: "subgroupMax", joined: (a: string, b: string) => `max(${a}, ${b})` }]
      : []),
  ];
  return [
    "struct Lane {",
    "  @builtin(local_invocation_index) index: u32,",
    ...(form === "tree" ? [] : [
      "  @builtin(subgroup_invocation_id) index_in_subgroup: u32,",
      "  @builtin(subgroup_id) subgroup: u32,",
      "  @builtin(num_subgroups) subgroups: u32,",
    ]),
    "}",
    `var<workgroup> shares: array<${type}, LANES>;`,
    ...reductions.flatMap(({ name, inSubgroup, joined }) => [
      `fn ${name}(share: ${type}, lane: Lane) -> ${type} {`,
      ...(form === "tree" ? treeLines(joined) : subgroupLines(inSubgroup, joined)),
      "}",
    ]),
  ];
}

/** The first barrier is for the readers of an earlier result. */
function treeLines(joined: (a: string, b: string) => string): string[] {
  return [
    "  workgroupBarrier();",
    "  shares[lane.index] = share;",
    "  for (var half = LANES / 2u; half > 0u; half /= 2u) {",
    "    workgroupBarrier();",
    `    if (lane.index < half) { shares[lane.index] = ${joined("shares[lane.index]", "shares[lane.index + half]")}; }`,
    "  }",
    "  workgroupBarrier();",
    "  return shares[0];",
  ];
}

function subgroupLines(inSubgroup: string, joined: (a: string, b: string) => string): string[] {
  return [
    `  let part = ${inSubgroup}(share);`,
    "  workgroupBarrier();",
    "  if (lane.index_in_subgroup == 0u) { shares[lane.subgroup] = part; }",
    "  workgroupBarrier();",
    "  var whole = shares[0];",
    `  for (var i = 1u; i < lane.subgroups; i++) { whole = ${joined("whole", "shares[i]")}; }`,
    "  return whole;",
  ];
}
