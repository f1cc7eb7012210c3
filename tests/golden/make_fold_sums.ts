/**
 * Compiles `kernels/fold_sums.as` into the module beside it, which all peers fold with:
 *
 *     deno run -A tests/golden/make_fold_sums.ts
 *
 * @module
 */
import { foldSumsSource } from "../../kernels/fold_sums.ts";
import { wasmBytesOf } from "../../runtime/device/wasm_module.ts";

const bytes = await wasmBytesOf([foldSumsSource], { relaxed: false });
const text = btoa(String.fromCharCode(...bytes)).replace(/.{1,120}/g, "$&\n");
await Deno.writeTextFile(new URL("../../kernels/fold_sums.wasm.base64", import.meta.url), text);
