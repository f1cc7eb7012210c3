import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";
import { strict as assert } from "node:assert";
import { Uint8ArrayList } from "uint8arraylist";
import { wholeWrites } from "./whole_writes.ts";

Deno.test("what an encrypter sends as a list of parts reaches the connection as one, and one part as it is", async () => {
  const sent: (Uint8Array | Uint8ArrayList)[] = [];
  const connection = { send: (data: Uint8Array | Uint8ArrayList) => sent.push(data) > 0 } as unknown as MessageStream;
  const alone = Uint8Array.of(4);
  const encrypter = {
    protocol: "/none",
    secureInbound(connection: MessageStream) {
      connection.send(new Uint8ArrayList(Uint8Array.of(1), Uint8Array.of(2, 3)));
      connection.send(alone);
      return Promise.reject(new Error("this test needs no more"));
    },
  } as unknown as ConnectionEncrypter;
  await assert.rejects(wholeWrites(() => encrypter)({}).secureInbound(connection), /needs no more/);
  assert.deepEqual(sent, [Uint8Array.of(1, 2, 3), alone]);
  assert.equal(sent[1], alone);
});
