import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { fetchGenesis, runIdOf, serveGenesis } from "./genesis.ts";
import { MemoryNetwork } from "./net/memory.ts";
import type { Digest } from "./sync/types.ts";

Deno.test("fetchGenesis() brings a run's configuration and refuses that of another run", async () => {
  const network = new MemoryNetwork();
  const wren = network.join(identity(0).peer), finch = network.join(identity(1).peer);
  await connectBoth(finch, wren);
  const genesis = new TextEncoder().encode('{"name":"club"}');
  serveGenesis(wren, genesis);
  const run = await runIdOf(genesis);
  assert.deepEqual(await fetchGenesis(finch, wren.peer, { run }), genesis);
  const other = "00".repeat(32) as Digest;
  await assert.rejects(fetchGenesis(finch, wren.peer, { run: other }), /sent the configuration of run .*new ticket/);
  await assert.rejects(fetchGenesis(wren, finch.peer, { run }), /it refused/);
});
