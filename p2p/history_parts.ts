/**
 * A long History in portions, so that the core, which checks a signature for every part, gives way to others in between.
 *
 * Offers come before the records that count them, as in the whole. Each portion means what it would mean in the whole.
 * @module
 */
import type { Message } from "./sync/types.ts";

/** A signature takes the core about 0.7 ms to check. */
const OFFERS_AT_ONCE = 16;

/** The same message, or what to give the core one after the other in its stead. */
export function inParts(message: Message): readonly Message[] {
  if (message.kind !== "history" || message.offers.length <= OFFERS_AT_ONCE) return [message];
  const parts: Message[] = [];
  for (let i = 0; i < message.offers.length; i += OFFERS_AT_ONCE) {
    parts.push({ ...message, records: [], offers: message.offers.slice(i, i + OFFERS_AT_ONCE) });
  }
  return [...parts, { ...message, offers: [] }];
}
