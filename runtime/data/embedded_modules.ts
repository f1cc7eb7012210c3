/**
 * The texts of the embedded corpus, in its order. Written by `tests/make_embedded_modules.ts`: do not edit.
 *
 * Only `embedded.ts` imports this file, and only when the corpus is asked for: it weighs 2.5 MB.
 * @module
 */
import m0 from "node-declarations/assert.d.ts" with { type: "text" };
import m1 from "node-declarations/assert/strict.d.ts" with { type: "text" };
import m2 from "node-declarations/async_hooks.d.ts" with { type: "text" };
import m3 from "node-declarations/buffer.buffer.d.ts" with { type: "text" };
import m4 from "node-declarations/buffer.d.ts" with { type: "text" };
import m5 from "node-declarations/child_process.d.ts" with { type: "text" };
import m6 from "node-declarations/cluster.d.ts" with { type: "text" };
import m7 from "node-declarations/console.d.ts" with { type: "text" };
import m8 from "node-declarations/constants.d.ts" with { type: "text" };
import m9 from "node-declarations/crypto.d.ts" with { type: "text" };
import m10 from "node-declarations/dgram.d.ts" with { type: "text" };
import m11 from "node-declarations/diagnostics_channel.d.ts" with { type: "text" };
import m12 from "node-declarations/dns.d.ts" with { type: "text" };
import m13 from "node-declarations/dns/promises.d.ts" with { type: "text" };
import m14 from "node-declarations/domain.d.ts" with { type: "text" };
import m15 from "node-declarations/events.d.ts" with { type: "text" };
import m16 from "node-declarations/ffi.d.ts" with { type: "text" };
import m17 from "node-declarations/fs.d.ts" with { type: "text" };
import m18 from "node-declarations/fs/promises.d.ts" with { type: "text" };
import m19 from "node-declarations/globals.d.ts" with { type: "text" };
import m20 from "node-declarations/globals.typedarray.d.ts" with { type: "text" };
import m21 from "node-declarations/http.d.ts" with { type: "text" };
import m22 from "node-declarations/http2.d.ts" with { type: "text" };
import m23 from "node-declarations/https.d.ts" with { type: "text" };
import m24 from "node-declarations/index.d.ts" with { type: "text" };
import m25 from "node-declarations/inspector.d.ts" with { type: "text" };
import m26 from "node-declarations/inspector.generated.d.ts" with { type: "text" };
import m27 from "node-declarations/inspector/promises.d.ts" with { type: "text" };
import m28 from "node-declarations/module.d.ts" with { type: "text" };
import m29 from "node-declarations/net.d.ts" with { type: "text" };
import m30 from "node-declarations/os.d.ts" with { type: "text" };
import m31 from "node-declarations/path.d.ts" with { type: "text" };
import m32 from "node-declarations/path/posix.d.ts" with { type: "text" };
import m33 from "node-declarations/path/win32.d.ts" with { type: "text" };
import m34 from "node-declarations/perf_hooks.d.ts" with { type: "text" };
import m35 from "node-declarations/process.d.ts" with { type: "text" };
import m36 from "node-declarations/punycode.d.ts" with { type: "text" };
import m37 from "node-declarations/querystring.d.ts" with { type: "text" };
import m38 from "node-declarations/quic.d.ts" with { type: "text" };
import m39 from "node-declarations/readline.d.ts" with { type: "text" };
import m40 from "node-declarations/readline/promises.d.ts" with { type: "text" };
import m41 from "node-declarations/repl.d.ts" with { type: "text" };
import m42 from "node-declarations/sea.d.ts" with { type: "text" };
import m43 from "node-declarations/sqlite.d.ts" with { type: "text" };
import m44 from "node-declarations/stream.d.ts" with { type: "text" };
import m45 from "node-declarations/stream/consumers.d.ts" with { type: "text" };
import m46 from "node-declarations/stream/iter.d.ts" with { type: "text" };
import m47 from "node-declarations/stream/promises.d.ts" with { type: "text" };
import m48 from "node-declarations/stream/web.d.ts" with { type: "text" };
import m49 from "node-declarations/string_decoder.d.ts" with { type: "text" };
import m50 from "node-declarations/test.d.ts" with { type: "text" };
import m51 from "node-declarations/test/reporters.d.ts" with { type: "text" };
import m52 from "node-declarations/timers.d.ts" with { type: "text" };
import m53 from "node-declarations/timers/promises.d.ts" with { type: "text" };
import m54 from "node-declarations/tls.d.ts" with { type: "text" };
import m55 from "node-declarations/trace_events.d.ts" with { type: "text" };
import m56 from "node-declarations/tty.d.ts" with { type: "text" };
import m57 from "node-declarations/url.d.ts" with { type: "text" };
import m58 from "node-declarations/util.d.ts" with { type: "text" };
import m59 from "node-declarations/util/types.d.ts" with { type: "text" };
import m60 from "node-declarations/v8.d.ts" with { type: "text" };
import m61 from "node-declarations/vfs.d.ts" with { type: "text" };
import m62 from "node-declarations/vm.d.ts" with { type: "text" };
import m63 from "node-declarations/wasi.d.ts" with { type: "text" };
import m64 from "node-declarations/web-globals/abortcontroller.d.ts" with { type: "text" };
import m65 from "node-declarations/web-globals/blob.d.ts" with { type: "text" };
import m66 from "node-declarations/web-globals/console.d.ts" with { type: "text" };
import m67 from "node-declarations/web-globals/crypto.d.ts" with { type: "text" };
import m68 from "node-declarations/web-globals/domexception.d.ts" with { type: "text" };
import m69 from "node-declarations/web-globals/encoding.d.ts" with { type: "text" };
import m70 from "node-declarations/web-globals/events.d.ts" with { type: "text" };
import m71 from "node-declarations/web-globals/fetch.d.ts" with { type: "text" };
import m72 from "node-declarations/web-globals/importmeta.d.ts" with { type: "text" };
import m73 from "node-declarations/web-globals/messaging.d.ts" with { type: "text" };
import m74 from "node-declarations/web-globals/navigator.d.ts" with { type: "text" };
import m75 from "node-declarations/web-globals/performance.d.ts" with { type: "text" };
import m76 from "node-declarations/web-globals/storage.d.ts" with { type: "text" };
import m77 from "node-declarations/web-globals/streams.d.ts" with { type: "text" };
import m78 from "node-declarations/web-globals/timers.d.ts" with { type: "text" };
import m79 from "node-declarations/web-globals/url.d.ts" with { type: "text" };
import m80 from "node-declarations/worker_threads.d.ts" with { type: "text" };
import m81 from "node-declarations/zlib.d.ts" with { type: "text" };
import m82 from "node-declarations/zlib/iter.d.ts" with { type: "text" };

/** Names and texts, sorted by name. */
export const embeddedModules: readonly (readonly [name: string, text: string])[] = [
  ["assert.d.ts", m0],
  ["assert/strict.d.ts", m1],
  ["async_hooks.d.ts", m2],
  ["buffer.buffer.d.ts", m3],
  ["buffer.d.ts", m4],
  ["child_process.d.ts", m5],
  ["cluster.d.ts", m6],
  ["console.d.ts", m7],
  ["constants.d.ts", m8],
  ["crypto.d.ts", m9],
  ["dgram.d.ts", m10],
  ["diagnostics_channel.d.ts", m11],
  ["dns.d.ts", m12],
  ["dns/promises.d.ts", m13],
  ["domain.d.ts", m14],
  ["events.d.ts", m15],
  ["ffi.d.ts", m16],
  ["fs.d.ts", m17],
  ["fs/promises.d.ts", m18],
  ["globals.d.ts", m19],
  ["globals.typedarray.d.ts", m20],
  ["http.d.ts", m21],
  ["http2.d.ts", m22],
  ["https.d.ts", m23],
  ["index.d.ts", m24],
  ["inspector.d.ts", m25],
  ["inspector.generated.d.ts", m26],
  ["inspector/promises.d.ts", m27],
  ["module.d.ts", m28],
  ["net.d.ts", m29],
  ["os.d.ts", m30],
  ["path.d.ts", m31],
  ["path/posix.d.ts", m32],
  ["path/win32.d.ts", m33],
  ["perf_hooks.d.ts", m34],
  ["process.d.ts", m35],
  ["punycode.d.ts", m36],
  ["querystring.d.ts", m37],
  ["quic.d.ts", m38],
  ["readline.d.ts", m39],
  ["readline/promises.d.ts", m40],
  ["repl.d.ts", m41],
  ["sea.d.ts", m42],
  ["sqlite.d.ts", m43],
  ["stream.d.ts", m44],
  ["stream/consumers.d.ts", m45],
  ["stream/iter.d.ts", m46],
  ["stream/promises.d.ts", m47],
  ["stream/web.d.ts", m48],
  ["string_decoder.d.ts", m49],
  ["test.d.ts", m50],
  ["test/reporters.d.ts", m51],
  ["timers.d.ts", m52],
  ["timers/promises.d.ts", m53],
  ["tls.d.ts", m54],
  ["trace_events.d.ts", m55],
  ["tty.d.ts", m56],
  ["url.d.ts", m57],
  ["util.d.ts", m58],
  ["util/types.d.ts", m59],
  ["v8.d.ts", m60],
  ["vfs.d.ts", m61],
  ["vm.d.ts", m62],
  ["wasi.d.ts", m63],
  ["web-globals/abortcontroller.d.ts", m64],
  ["web-globals/blob.d.ts", m65],
  ["web-globals/console.d.ts", m66],
  ["web-globals/crypto.d.ts", m67],
  ["web-globals/domexception.d.ts", m68],
  ["web-globals/encoding.d.ts", m69],
  ["web-globals/events.d.ts", m70],
  ["web-globals/fetch.d.ts", m71],
  ["web-globals/importmeta.d.ts", m72],
  ["web-globals/messaging.d.ts", m73],
  ["web-globals/navigator.d.ts", m74],
  ["web-globals/performance.d.ts", m75],
  ["web-globals/storage.d.ts", m76],
  ["web-globals/streams.d.ts", m77],
  ["web-globals/timers.d.ts", m78],
  ["web-globals/url.d.ts", m79],
  ["worker_threads.d.ts", m80],
  ["zlib.d.ts", m81],
  ["zlib/iter.d.ts", m82],
];
