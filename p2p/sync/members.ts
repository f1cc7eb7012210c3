/**
 * Who belongs to a run with an allow list: its owner, and whom the owner's newest signed change names.
 *
 * Two answers, for two uses. What a record may count follows from the chain alone, so that all peers judge alike
 * (`membersAfter`). Whom this peer talks to follows from the newest change it has heard of (`Membership`), at once: a
 * record takes its time, and somebody sent away is to hear nothing more. A run without an owner has no list.
 * @module
 */
import type { Context } from "./context.ts";
import { bodyDigest } from "./digest.ts";
import type { CoreOptions } from "./effects.ts";
import type { ChainState, Change, Digest, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

type Members = Signed<Change> | null;

/** The list that holds for a record: the one it carries, else its parent's. */
export function membersAfter(parent: ChainState, change: Members): Members {
  return change ?? parent.members;
}

/** The list after two histories have become one. */
export function newerMembers(a: Members, b: Members): Members {
  return (b?.body.number ?? 0) > (a?.body.number ?? 0) ? b : a;
}

export function isAllowed(peer: PeerId, members: Members, { owner }: SyncRules): boolean {
  return owner === null || peer === owner || (members?.body.allowed.includes(peer) ?? false);
}

/** Why a peer may not take part under this list, or null. */
export function whyNotAllowed(peer: PeerId, members: Members, rules: SyncRules): string | null {
  if (isAllowed(peer, members, rules)) return null;
  return `its author ${peer} is not on the list of the run's owner (change ${members?.body.number ?? 0})`;
}

/** Why a record may not carry this change after `parent`, or null. Its signature is checked at the door. */
export function whyNoChange({ change }: RoundRecord, parent: ChainState, { owner }: SyncRules): string | null {
  if (change === null) return null;
  const { number } = change.body, before = parent.members?.body.number ?? 0;
  if (owner === null) return "it changes the members of a run that has no list of them";
  return number > before ? null : `it carries change ${number} of the members after change ${before}`;
}

/** Why this is not the owner's word, or null. */
export function whyForgedChange({ body, signature }: Signed<Change>, options: {
  readonly rules: Pick<SyncRules, "owner" | "run">;
  readonly verify: CoreOptions["verify"];
}): string | null {
  const { owner, run } = options.rules;
  if (body.run !== run) return `it belongs to run ${body.run}`;
  if (owner === null) return "the run has no list of members";
  return options.verify(bodyDigest(body), signature, owner) ? null : `it is not signed by the run's owner ${owner}`;
}

/** The newest change that one peer has heard of, and whom it therefore talks to. */
export class Membership {
  #newest: Members = null;
  /** Peers that were sent the newest change: a beat that crosses it does not need it again. */
  readonly #sent = new Set<PeerId>();

  get number(): number {
    return this.#newest?.body.number ?? 0;
  }

  /** From our own journal, before anybody is talked to. */
  restore(change: Signed<Change>): void {
    if (change.body.number > this.number) this.#newest = change;
  }

  /** Says whom the network may connect, and to ourselves if we are not among them. */
  admit(context: Context): void {
    const { rules, self } = context.options;
    if (rules.owner === null) return;
    const known = this.#newest, belongs = isAllowed(self, known, rules);
    // Whoever is not on the newest list it knows may know an old one, and must be free to hear of a newer.
    const peers = belongs ? [...new Set([rules.owner, ...known?.body.allowed ?? []])].sort() : null;
    context.emit({ kind: "admit", peers });
    if (!belongs && known !== null) context.report({ kind: "waiting", reason: askOwner(rules.owner, self) });
  }

  /** Takes a change whose signature is true; whether it was news. Written down before anything is done about it. */
  learn(context: Context, change: Members): boolean {
    if (change === null || change.body.number <= this.number) return false;
    this.#newest = change;
    this.#sent.clear();
    const { number, allowed } = change.body;
    context.emit({ kind: "journal", entry: { kind: "change", change } });
    context.report({ kind: "members", number, allowed });
    this.admit(context);
    return true;
  }

  /** A beat told what its peer knows: sends what is newer, once. */
  onBeat({ emit }: Context, { peer, change }: { readonly peer: PeerId; readonly change: number }): void {
    if (this.#newest === null || change >= this.number || this.#sent.has(peer)) return;
    this.#sent.add(peer);
    emit({ kind: "send", to: peer, message: this.#newest });
  }

  /** What was sent may have been lost with the connection. */
  disconnect(peer: PeerId): void {
    this.#sent.delete(peer);
  }

  /** What a record after this state has to carry, or null. */
  changeAfter({ members }: ChainState): Members {
    return this.number > (members?.body.number ?? 0) ? this.#newest : null;
  }
}

/** What somebody needs to know who is not let in. */
export function askOwner(owner: PeerId, self: PeerId): string {
  return `for the run's owner to allow this peer. Ask the owner (${owner}) for: starling members <folder> --allow ${self}`;
}

/** A change as its owner signs it. */
export function signChange(
  change: { readonly run: Digest; readonly number: number; readonly allowed: readonly PeerId[] },
  sign: (digest: Digest) => Uint8Array,
): Signed<Change> {
  const body: Change = { kind: "change", ...change, allowed: [...new Set(change.allowed)].sort() };
  return { kind: "signed", body, signature: sign(bodyDigest(body)) };
}
