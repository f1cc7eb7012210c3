/**
 * A thread that lives as long as it takes to compile the loops of a fold: the compiler needs seconds, in which the fold
 * thread can do other work, and hundreds of megabytes, which go with this thread.
 * @module
 */
/// <reference lib="deno.worker" />
import { foldSumsSource } from "../../kernels/fold_sums.ts";
import { compileWasm } from "../device/wasm_module.ts";

self.postMessage(await compileWasm([foldSumsSource]));
