import { testBlobStore } from "../../tests/conformance/blob_store.ts";
import { MemoryBlobStore } from "./memory.ts";

testBlobStore("MemoryBlobStore", () => {
  const store = new MemoryBlobStore();
  return Promise.resolve({
    open: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
