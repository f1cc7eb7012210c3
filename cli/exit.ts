/**
 * Exit codes, and which error ends in which. Documented in docs/commands.md.
 * @module
 */

export const EXIT = {
  done: 0,
  /** A mistake of ours. */
  unexpected: 1,
  /** Wrong command, flag or value. */
  usage: 2,
  /** State folder in use, not writable, or full. */
  state: 3,
  /** run.json, data, model, ticket, checkpoint or journal that cannot be used. */
  input: 4,
  /** Nobody answered, port in use, another run. */
  network: 5,
  /** No such device, a shader that fails, out of memory. */
  device: 6,
} as const;

/** By name, because errors of other threads arrive as copies. */
const CODE_BY_ERROR: Readonly<Record<string, number>> = {
  UsageError: EXIT.usage,
  StateInUseError: EXIT.state,
  IdentityInUseError: EXIT.state,
  StorageError: EXIT.state,
  ConfigError: EXIT.input,
  CorpusError: EXIT.input,
  TextFilesError: EXIT.input,
  TokenizerError: EXIT.input,
  ShardError: EXIT.input,
  ModelFolderError: EXIT.input,
  SafetensorsError: EXIT.input,
  WeightsError: EXIT.input,
  SweepError: EXIT.input,
  TicketError: EXIT.input,
  MetricsError: EXIT.input,
  TransportError: EXIT.network,
  NoAdapterError: EXIT.device,
  NoDawnError: EXIT.device,
  NoDeviceError: EXIT.device,
  PrecisionError: EXIT.device,
  DeviceMemoryError: EXIT.device,
  DeviceLostError: EXIT.device,
  KernelError: EXIT.device,
};

/** A wrong value for a flag or argument, found after parsing. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Metrics that cannot be compared. */
export class MetricsError extends Error {
  override readonly name = "MetricsError";
}

/** The exit code of an error, and whether it is expected (its message is enough) or ours (its stack is wanted). */
export function exitOf(error: unknown): { readonly code: number; readonly expected: boolean } {
  const code = error instanceof Error ? CODE_BY_ERROR[error.name] : undefined;
  return code === undefined ? { code: EXIT.unexpected, expected: false } : { code, expected: true };
}
