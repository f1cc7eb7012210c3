/**
 * `starling devices`: every device of this machine, measured, and which one `auto` takes.
 * @module
 */
import { listDevices, type Measurement } from "../runtime/device/open.ts";
import { table } from "./format.ts";
import { json, line, note } from "./print.ts";

/** Measures and prints. */
export async function devices({ json: asJson }: { readonly json?: boolean }): Promise<void> {
  const { measurements, choice, f16Problems, faults, blasProblem } = await listDevices({ onNotice: note });
  const f16 = ({ kind }: Measurement) => f16Problems.get(kind);
  if (asJson) {
    for (const measurement of measurements) {
      json({
        ...measurement,
        kind: "device",
        device: measurement.kind,
        chosen: measurement.kind === choice.kind,
        f16: f16(measurement) === null,
        f16Problem: f16(measurement) ?? null,
        faults: faults.get(measurement.kind) ?? [],
        ...(measurement.kind === "cpu" ? { blasProblem } : {}),
      });
    }
    return;
  }
  const rows = measurements.map((found) => [
    found.kind === choice.kind ? `${found.kind} ★` : found.kind,
    found.ok ? `${found.gflops.toPrecision(3)} GFLOP/s` : "–",
    f16(found) === null ? "yes" : "–",
    found.ok ? found.description : found.problem,
  ]);
  for (const text of table(["device", " matmul f32", "f16", "what"], rows)) line(text);
  for (const [kind, problem] of f16Problems) if (problem !== null) line(`${kind} trains in f32 alone: ${problem}`);
  for (const [kind, found] of faults) {
    for (const fault of found) line(`${kind} does without what computes wrongly here: ${fault}`);
  }
  if (blasProblem !== null) line(`cpu multiplies matrices in WebAssembly: ${blasProblem}`);
  line(`auto takes ${choice.kind}: ${choice.reason}`);
}
