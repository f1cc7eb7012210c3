import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { strict as assert } from "node:assert";
import { identityFromSeed, isPeerId, publicKeyOf, verifySignature } from "./identity.ts";
import type { Digest, PeerId } from "./sync/types.ts";

const wren = identityFromSeed(new Uint8Array(32).fill(1)), finch = identityFromSeed(new Uint8Array(32).fill(2));
const digest = "ab".repeat(32) as Digest;

Deno.test("identityFromSeed() names the peer as libp2p does", async () => {
  for (let i = 0; i < 20; i++) {
    const seed = new Uint8Array(32).fill(i * 11);
    const key = await generateKeyPairFromSeed("Ed25519", seed);
    assert.equal(identityFromSeed(seed).peer, peerIdFromPrivateKey(key).toString());
  }
});

Deno.test("identityFromSeed() refuses a seed of another length", () => {
  assert.throws(() => identityFromSeed(new Uint8Array(31)), /found a seed of 31 bytes, wanted 32/);
});

Deno.test("verifySignature() accepts the peer's own signature over the digest and nothing else", () => {
  const signature = wren.sign(digest);
  assert.equal(verifySignature(wren.peer, digest, signature), true);
  assert.equal(verifySignature(finch.peer, digest, signature), false);
  assert.equal(verifySignature(wren.peer, "cd".repeat(32) as Digest, signature), false);
  for (let i = 0; i < signature.length; i += 7) {
    const changed = signature.slice();
    changed[i]! ^= 1;
    assert.equal(verifySignature(wren.peer, digest, changed), false, `byte ${i}`);
  }
});

Deno.test("verifySignature() is false, not an error, for what is no peer, digest or signature", () => {
  const signature = wren.sign(digest);
  assert.equal(verifySignature("nobody" as PeerId, digest, signature), false);
  assert.equal(verifySignature(wren.peer, "xyz" as Digest, signature), false);
  assert.equal(verifySignature(wren.peer, digest, signature.subarray(1)), false);
  assert.equal(verifySignature(wren.peer, digest, new Uint8Array(64).fill(255)), false);
});

Deno.test("isPeerId() knows one text for each key", () => {
  assert.equal(isPeerId(wren.peer), true);
  assert.equal(publicKeyOf(wren.peer)!.length, 32);
  for (const text of ["", "12D3KooW", `1${wren.peer}`, `${wren.peer} `, wren.peer.toLowerCase(), "k51qzi5uqu5dj0ks"]) {
    assert.equal(isPeerId(text), false, text);
  }
});
