/**
 * On what machine and by which programs a line was measured.
 * @module
 */
import { VERSION } from "../cli/version.ts";

/** What every line of a run has in common. */
export function hostFacts() {
  return {
    deno: Deno.version.deno,
    starling: VERSION,
    os: Deno.build.os,
    cores: navigator.hardwareConcurrency,
    processor: processorName(),
  };
}

/** As Linux names it; elsewhere its architecture. */
function processorName(): string {
  try {
    const text = Deno.readTextFileSync("/proc/cpuinfo");
    return /^model name\s*: (.+)$/m.exec(text)?.[1] ?? Deno.build.arch;
  } catch {
    return Deno.build.arch;
  }
}
