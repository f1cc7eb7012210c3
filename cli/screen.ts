/**
 * Shows a run's events in the manner that the terminal and the flags ask for, until it is disposed.
 * @module
 */
import type { PeerEvent } from "../runtime/event.ts";
import { json, line, LiveBlock, type Manner } from "./print.ts";
import { emptyView, type Goal, observe, render, roundLine, unreachableText, type View } from "./view.ts";

const REDRAW_MS = 250;

export interface Screen extends Disposable {
  view(): View;
  /** Takes an event; `shown` false only counts it (another peer's, in the demo). */
  take(event: PeerEvent): void;
  /** Writes a line that stays. */
  say(text: string): void;
}

/** Opens a screen. In `json` every event is one line with its time; in `quiet` only `say` of results is shown. */
export function openScreen(manner: Manner, goal: () => Goal): Screen {
  let view = emptyView(Date.now());
  const block = manner === "live" ? new LiveBlock() : null;
  const lines = () => render(view, goal(), Date.now());
  const timer = block === null ? null : setInterval(() => block.draw(lines()), REDRAW_MS);

  return {
    view: () => view,
    take(event) {
      view = observe(view, event, Date.now());
      if (manner === "json") json({ time: Date.now(), ...event });
      else if (manner === "plain") plain(event);
    },
    say(text) {
      if (manner === "json") return;
      if (block !== null) block.above(text, lines());
      else if (manner !== "quiet") line(text);
    },
    [Symbol.dispose]() {
      if (timer !== null) clearInterval(timer);
      block?.draw(lines());
      block?.[Symbol.dispose]();
    },
  };

  function plain(event: PeerEvent): void {
    switch (event.kind) {
      case "round": // before anybody has trained there is nothing to tell
        return event.tokens === 0 ? undefined : line(roundLine(view, goal(), Date.now()));
      case "warning":
        return line(`warning: ${event.message}`);
      case "alone":
      case "mismatch":
      case "members":
      case "finished":
      case "stopped":
        return line(event.reason);
      case "admitted":
        return line(`round ${event.round}: admitted`);
      case "joined":
      case "left":
        return line(`${event.peerName} ${event.reason}`);
      case "unreachable":
        return line(unreachableText(event));
      case "reachability":
        return event.verdict === "reachable" || event.relays.length > 0
          ? undefined
          : line(`whether others can dial this peer: ${event.reason} ${event.remedy ?? ""}`.trimEnd());
      case "rejected":
        return line(`dropped ${event.what} of ${event.peer}: ${event.reason}`);
      case "uncounted":
        return line(`round ${event.round}: the offer of ${event.peer} is not counted: ${event.reason}`);
      case "screened": {
        const { round, peer, cosine, dropped } = event,
          fate = dropped ? "it was left out" : "it was folded all the same";
        return line(
          `round ${round}: the work of ${peer} pulls against all others' (cosine ${cosine.toFixed(2)}); ${fate}`,
        );
      }
      case "waiting":
        return line(event.reason);
      case "reorganised":
      case "merged":
      case "cell":
        return line(`round ${event.round}: ${event.reason}`);
      case "offer":
        return event.fate === "counted"
          ? undefined
          : line(`round ${event.round}: offer ${event.fate}: ${event.reason}`);
      case "precision":
        return event.precision === "f16" ? line(`activations in f16: ${event.reason}`) : undefined;
      case "device":
      case "plan":
      case "started":
      case "connected":
      case "disconnected":
      case "fetching":
      case "relayed":
      case "progress":
        return;
      default:
        return event satisfies never;
    }
  }
}
