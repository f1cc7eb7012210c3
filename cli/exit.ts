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

const CODE_BY_ERROR: Readonly<Record<string, number>> = {
  UsageError: EXIT.usage,
  LockError: EXIT.state,
  StorageError: EXIT.state,
  ConfigError: EXIT.input,
  DataError: EXIT.input,
  TokenizerError: EXIT.input,
  ShardError: EXIT.input,
  SafetensorsError: EXIT.input,
  HuggingFaceError: EXIT.input,
  TicketError: EXIT.input,
  IdentityError: EXIT.input,
  JournalError: EXIT.input,
  NetworkError: EXIT.network,
  DeviceError: EXIT.device,
  DeviceMemoryError: EXIT.device,
  DeviceLostError: EXIT.device,
  KernelError: EXIT.device,
};

/** A wrong value for a flag or argument, found after parsing. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The exit code of an error, and whether it is expected (its message is enough) or ours (its stack is wanted). */
export function exitOf(error: unknown): { readonly code: number; readonly expected: boolean } {
  const code = error instanceof Error ? CODE_BY_ERROR[error.name] : undefined;
  return code === undefined ? { code: EXIT.unexpected, expected: false } : { code, expected: true };
}
