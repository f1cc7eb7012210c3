/**
 * An error in words: whatever was thrown has a reason that a person can read.
 * @module
 */

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
