/**
 * A run whose model no machine could hold, given by a ticket or in a folder: refused with its size, by every command that
 * reads it, before anything of that size is made.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { runIdOf, serveGenesis } from "../p2p/genesis.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { formatTicket } from "../p2p/ticket.ts";
import { genesisBytes } from "../runtime/config.ts";
import { identity } from "./conformance/transport.ts";
import { LOCAL, starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

const { model, ...rest } = tinyRun({ membership: "open" });
/** Each size is one that a model may have; together they are 5 · 10¹² parameters. */
const HUGE = { ...model, width: 32_768, headCount: 256, keyValueHeadCount: 256, hiddenWidth: 262_144, layerCount: 256 };
/** Sizes that no model may have. */
const ABSURD = { ...model, width: 1_000_000, headCount: 10_000, keyValueHeadCount: 10_000, layerCount: 1_000 };
const TOO_LARGE = /'model': has 5\d{3}\.\d G parameters, so that a state takes 2\d{4}\.\d GB: at most 8\.6 GB.*smaller/;

Deno.test("join refuses a ticket to a run with an absurd model, with what is wrong, and makes no folder of it", async () => {
  const path = await Deno.makeTempDir();
  try {
    for (const [wrong, says] of [[HUGE, TOO_LARGE], [ABSURD, /'model\.width': .*65536, found 1000000/]] as const) {
      const genesis = genesisBytes({ ...rest, model: wrong }), run = await runIdOf(genesis);
      await using transport = await startLibp2p({
        identity: identity(1),
        run,
        listen: ["/ip4/127.0.0.1/tcp/0"],
        networkKey: null,
        mdns: false,
      });
      serveGenesis(transport, genesis);
      const ticket = formatTicket({ run, name: "huge", addresses: transport.addresses(), networkKey: null });
      const { code, err } = await starling(["join", ticket, "--folder", join(path, "huge"), ...LOCAL]);
      assert.match(err, says);
      assert.match(err, /Cannot use the run of this ticket/);
      assert.equal(code, 4);
      await assert.rejects(Deno.stat(join(path, "huge", "run.json")), Deno.errors.NotFound);
    }
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("start, inspect and status refuse a run.json with an absurd model alike", async () => {
  const path = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(path, "run.json"), JSON.stringify({ ...rest, model: HUGE }));
    for (const args of [["start", path, ...LOCAL], ["inspect", path], ["status", path]]) {
      const { code, err } = await starling(args);
      assert.match(err, TOO_LARGE);
      assert.equal(code, 4, `${args[0]}: ${err}`);
    }
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
