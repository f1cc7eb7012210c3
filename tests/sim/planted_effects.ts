/**
 * What a peer says or hears otherwise than it should, to plant bugs: each takes one effect of its core, or one input.
 * @module
 */
import type { Effect, Input, SyncEvent } from "../../p2p/sync/effects.ts";

/** Announces to its own cell and to the whole run. */
export function toAllCells(effect: Effect): readonly Effect[] {
  return effect.kind === "announce" ? [effect, { ...effect, cell: "" }] : [effect];
}

/** What is announced, as if it were found in a history: then nobody asks where its author is. */
export function asHistory(input: Input): Input {
  if (input.kind !== "message" || input.message.kind !== "signed") return input;
  const { body, signature } = input.message;
  if (!("parent" in body)) return input;
  const offers = [{ kind: "signed" as const, body, signature }];
  return { ...input, message: { kind: "history", run: body.run, records: [], offers } };
}

/** No answer arrives. */
export function deaf(input: Input): Input {
  const isAnswer = input.kind === "message" && (input.message.kind === "history" || input.message.kind === "state-at");
  return isAnswer ? { kind: "tick" } : input;
}

/** Says all but this. */
export function without(isDropped: (effect: Effect) => boolean): (effect: Effect) => readonly Effect[] {
  return (effect) => isDropped(effect) ? [] : [effect];
}

/** Tells its own people all but this. */
export function mute(isKept: (event: SyncEvent) => boolean): (effect: Effect) => readonly Effect[] {
  return without((effect) => effect.kind === "report" && isKept(effect.event));
}

export function isBadNews(event: SyncEvent): boolean {
  return event.kind === "fate" && (event.fate === "lost" || event.fate === "counted late");
}

/** Ends where it should go on without a state. */
export function despairing(effect: Effect): readonly Effect[] {
  if (effect.kind !== "report" || effect.event.kind !== "waiting" || !/could not be loaded/.test(effect.event.reason)) {
    return [effect];
  }
  return [effect, { kind: "stop", reason: "a state is damaged", fault: "disk" }];
}

/** Names as a fault what was only passed over. */
export function blaming(effect: Effect): readonly Effect[] {
  if (effect.kind !== "report" || effect.event.kind !== "passed over") return [effect];
  const { peer, reason } = effect.event;
  return [{ kind: "report", event: { kind: "rejected", what: "offer", peer, reason } }];
}

export function isTakenBack(event: SyncEvent): boolean {
  return event.kind === "fate" && (event.fate === "uncounted by a fork" || event.fate === "lost");
}

/** Tells fates alone. */
export function withoutReasons(effect: Effect): readonly Effect[] {
  return effect.kind === "report" && effect.event.kind === "fate"
    ? [{ ...effect, event: { ...effect.event, reason: "" } }]
    : [effect];
}

export function isSavedState(effect: Effect): boolean {
  return effect.kind === "journal" && effect.entry.kind === "state";
}

/** Its journal is half as long. */
export function forgetful(input: Input): Input {
  return input.kind === "start" ? { ...input, journal: input.journal.slice(0, input.journal.length / 2) } : input;
}

export function repeated(effect: Effect, times: number): readonly Effect[] {
  return effect.kind === "announce" || effect.kind === "send" ? Array.from({ length: times }, () => effect) : [effect];
}
