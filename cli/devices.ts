/**
 * `starling devices`: every device of this machine, measured, and which one `auto` takes.
 * @module
 */
import { listDevices } from "../runtime/device/open.ts";
import { table } from "./format.ts";
import { json, line } from "./print.ts";

/** Measures and prints. */
export async function devices({ json: asJson }: { readonly json?: boolean }): Promise<void> {
  const { measurements, choice } = await listDevices();
  if (asJson) {
    for (const measurement of measurements) {
      json({ ...measurement, kind: "device", device: measurement.kind, chosen: measurement.kind === choice.kind });
    }
    return;
  }
  const rows = measurements.map((found) => [
    found.kind === choice.kind ? `${found.kind} ★` : found.kind,
    found.ok ? `${found.gflops.toPrecision(3)} GFLOP/s` : "–",
    found.ok ? found.description : found.problem,
  ]);
  for (const text of table(["device", " matmul f32", "what"], rows)) line(text);
  line(`auto takes ${choice.kind}: ${choice.reason}`);
}
