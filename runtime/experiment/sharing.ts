/**
 * Trials over the network: the owner of a sweep deals them to helpers, who bring results.
 *
 * One request and one answer at a time, as JSON, from the helper: it takes a trial, says every ten seconds that it is
 * still at it, and gives the result. The owner keeps the sweep's file and believes nothing of the wrong form; that a
 * result is true it must trust, as whoever has the ticket was let in. Which device made a result stands in it.
 * @module
 */
import { z } from "zod";
import type { Transport } from "../../p2p/net/transport.ts";
import { TransportError } from "../../p2p/net/transport_error.ts";
import { reasonOf } from "../../p2p/reason.ts";
import type { PeerId } from "../../p2p/sync/types.ts";
import type { Clock } from "../worker/clock.ts";
import { BEAT_MS, type Dealer } from "./dealer.ts";
import { trainTrial } from "./train_trial.ts";
import { type Trial, type TrialProgress, type TrialResult, trialResultSchema, trialSchema } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

const PROTOCOL = "trials/1";
/** A helper with nothing to do asks again after this long at most. */
export const IDLE_MS = 5_000;
/** A helper looks for its owner so long before it gives up. */
const LONGEST_SILENCE_MS = 120_000;

const askSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("take") }),
  z.strictObject({ kind: z.literal("keep"), trial: z.string().max(120) }),
  z.strictObject({ kind: z.literal("give"), result: trialResultSchema }),
  z.strictObject({ kind: z.literal("leave") }),
]);
const answerSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("trial"), trial: trialSchema, number: z.int(), of: z.int() }),
  z.strictObject({ kind: z.literal("wait") }),
  z.strictObject({ kind: z.literal("done") }),
  /** Whether a trial is the helper's still, or a result was taken. */
  z.strictObject({ kind: z.literal("told"), isYours: z.boolean() }),
]);
type Ask = z.infer<typeof askSchema>;
type Answer = z.infer<typeof answerSchema>;

/** What the owner sees of its helpers. */
export type SharingEvent =
  | { readonly kind: "helper"; readonly peer: PeerId; readonly trial: Trial }
  | { readonly kind: "result"; readonly trial: Trial; readonly result: TrialResult };

/** Deals trials to whoever asks, until the transport closes. */
export function serveTrials(
  transport: Pick<Transport, "onRequest">,
  { dealer, clock, onEvent }: {
    readonly dealer: Dealer;
    readonly clock: Pick<Clock, "now">;
    onEvent(event: SharingEvent): void;
  },
): void {
  /** What each helper was dealt last. */
  const dealtTo = new Map<PeerId, Trial>();
  transport.onRequest(PROTOCOL, async (from, request) => {
    const ask = decode(askSchema, request);
    if (ask === null) return null;
    return encode(await answerTo(from, ask));
  });

  async function answerTo(from: PeerId, ask: Ask): Promise<Answer> {
    switch (ask.kind) {
      case "take": {
        const dealt = dealer.take(from, clock.now());
        if (dealt.kind === "wait") return { kind: "wait" };
        if (dealt.kind === "trial") {
          dealtTo.set(from, dealt.trial);
          onEvent({ kind: "helper", peer: from, trial: dealt.trial });
        }
        return dealt;
      }
      case "keep":
        return { kind: "told", isYours: dealer.keep(from, ask.trial, clock.now()) };
      case "give": {
        const trial = dealtTo.get(from);
        if (trial?.id !== ask.result.trial) return { kind: "told", isYours: false };
        const isTaken = await dealer.give(ask.result);
        if (isTaken) onEvent({ kind: "result", trial, result: ask.result });
        return { kind: "told", isYours: isTaken };
      }
      case "leave":
        dealer.giveBack(from);
        return { kind: "told", isYours: false };
      default:
        return ask satisfies never;
    }
  }
}

export interface HelpOptions {
  readonly transport: Transport;
  readonly owner: PeerId;
  /** Where the owner can be dialled again. */
  readonly addresses: readonly string[];
  readonly bench: Workbench;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onTrial(trial: Trial, place: { readonly number: number; readonly of: number }): void;
  onProgress(progress: TrialProgress & { readonly trialTokens: number }): void;
  onResult(trial: Trial, result: TrialResult, isTaken: boolean): void;
}

/**
 * Takes trials from the owner of a sweep until none is left, or the signal stops it: its trial goes back at once.
 * @throws {TransportError} if the owner cannot be reached for two minutes.
 */
export async function helpWithTrials(options: HelpOptions): Promise<void> {
  const { clock, signal } = options;
  for (;;) {
    const answer = await askOwner(options, { kind: "take" });
    if (answer === null || answer.kind === "done") return;
    if (answer.kind !== "trial") {
      await clock.sleep(IDLE_MS, signal);
      continue;
    }
    options.onTrial(answer.trial, answer);
    const result = await trainForOwner(options, answer.trial).catch(async (error) => {
      await tellLeaving(options); // this device cannot do it: another may
      throw error;
    });
    if (signal.aborted) return await tellLeaving(options);
    if (result === null) continue; // somebody else has it now
    const told = await askOwner(options, { kind: "give", result });
    options.onResult(answer.trial, result, told?.kind === "told" && told.isYours);
  }
}

/** Trains a trial and says meanwhile that it is still at it; null if it was stopped, or the trial is another's now. */
async function trainForOwner(options: HelpOptions, trial: Trial): Promise<TrialResult | null> {
  const { transport, owner, bench, clock, signal, onProgress } = options;
  const ended = new AbortController(), lost = new AbortController();
  const beating = (async () => {
    while (!ended.signal.aborted) {
      await clock.sleep(BEAT_MS, ended.signal);
      if (ended.signal.aborted) return;
      const answer = await ask(transport, owner, { kind: "keep", trial: trial.id }).catch(() => null); // it may come back
      if (answer?.kind === "told" && !answer.isYours) lost.abort();
    }
  })();
  try {
    return await trainTrial(trial, {
      bench,
      resume: null,
      signal: AbortSignal.any([signal, lost.signal]),
      clock,
      onProgress: (progress) => onProgress({ ...progress, trialTokens: trial.mostTokens }),
      keep: () => Promise.resolve(), // a helper keeps nothing: its trial goes back
    });
  } finally {
    ended.abort();
    await beating;
  }
}

/** Asks until the owner answers, dialling it anew; null if the signal stopped it. */
async function askOwner(options: HelpOptions, request: Ask): Promise<Answer | null> {
  const { transport, owner, addresses, clock, signal } = options, sinceMs = clock.now();
  for (;;) {
    if (signal.aborted) return null;
    try {
      return await ask(transport, owner, request, signal);
    } catch (error) {
      if (signal.aborted) return null;
      if (clock.now() - sinceMs > LONGEST_SILENCE_MS) throw ownerGone(error);
      await clock.sleep(IDLE_MS, signal);
      if (transport.link(owner) !== null) continue;
      for (const address of addresses) await transport.connect(address, { signal }).catch(() => {}); // the next ask says why
    }
  }
}

/** A last word; whether it is heard is no matter, as the lease ends by itself. */
async function tellLeaving({ transport, owner }: HelpOptions): Promise<void> {
  await ask(transport, owner, { kind: "leave" }).catch(() => {});
}

async function ask(transport: Transport, owner: PeerId, request: Ask, signal?: AbortSignal): Promise<Answer> {
  const bytes = await transport.request(owner, PROTOCOL, encode(request), signal === undefined ? {} : { signal });
  const answer = decode(answerSchema, bytes);
  if (answer !== null) return answer;
  throw new TransportError(
    "invalid",
    `Cannot help: ${owner} answered with what is no trial. It may be of another version`,
  );
}

function ownerGone(cause: unknown): TransportError {
  const why = reasonOf(cause);
  return new TransportError(
    "gone",
    `Cannot go on helping: the owner of the sweep has not answered for ${LONGEST_SILENCE_MS / 1000} s (${why}). ` +
      "Help again with the same ticket when it is back; the trial in hand went back to it.",
    { cause },
  );
}

function encode(value: Ask | Answer): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Null if the bytes are not what is wanted. */
function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null;
  } catch {
    return null; // no JSON
  }
}
