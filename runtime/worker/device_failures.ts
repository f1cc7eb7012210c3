/**
 * What the device fails at is done again, as long as it does not fail too often in a row.
 * @module
 */
import { DeviceLostError, DeviceMemoryError } from "../device/device.ts";

export type DeviceFailure = DeviceLostError | DeviceMemoryError;

/** Failures, one after another, after which a device is given up. */
const MOST_FAILURES = 3;

export class DeviceFailures {
  #inARow = 0;

  /** The device works: earlier failures are forgiven. */
  forgive(): void {
    this.#inARow = 0;
  }

  /** Does something with the device; after each failure in the middle of it once more, if `recover` finds a way. */
  async retry<T>(action: () => T | Promise<T>, recover: (failure: DeviceFailure) => Promise<void>): Promise<T> {
    let failure: DeviceFailure | null = null;
    for (;;) {
      try {
        if (failure !== null) await recover(failure);
        return await action();
      } catch (error) {
        if (!(error instanceof DeviceLostError || error instanceof DeviceMemoryError)) throw error;
        if (++this.#inARow > MOST_FAILURES) throw error;
        failure = error;
      }
    }
  }
}
