/**
 * What `start` and `join` are told on the command line, beside the run.
 * @module
 */
import type { DeviceChoice } from "../runtime/device/open.ts";
import type { Manner } from "./print.ts";

/** The flags that `start` and `join` share. */
export interface PeerFlags {
  readonly state?: string;
  readonly device: DeviceChoice;
  readonly precision: "auto" | "f32" | "f16";
  readonly threads?: number;
  readonly throttle: number;
  readonly name?: string;
  readonly port?: number;
  readonly listen: string;
  readonly announce: readonly string[];
  readonly peer: readonly string[];
  readonly mdns: boolean;
  readonly relay: boolean;
  readonly minutes?: number;
  /** What this peer's blobs may take, in 10⁹ bytes. */
  readonly diskGb: number;
  readonly attached?: boolean;
  readonly manner: Manner;
}
