/**
 * Rewrites `runtime/data/embedded_modules.ts`, the list of imports that make up the embedded corpus.
 *
 * Run it after changing the pinned version of `@types/node` in `deno.json`, then put the digest that the test of
 * `embedded.ts` prints into that file: `deno run -A tests/make_embedded_modules.ts <folder of the unpacked package>`.
 * @module
 */

const [folder] = Deno.args;
if (folder === undefined) {
  console.error("Cannot list modules: no folder given; unpack the npm package @types/node and name its folder");
  Deno.exit(2);
}
const modules = listModules(folder).sort();
const text = `/**
 * The texts of the embedded corpus, in its order. Written by \`tests/make_embedded_modules.ts\`: do not edit.
 *
 * Only \`embedded.ts\` imports this file, and only when the corpus is asked for: it weighs ${
  Math.round(sizeOf(modules) / 1e5) / 10
} MB.
 * @module
 */
${modules.map((path, i) => `import m${i} from "node-declarations/${path}" with { type: "text" };`).join("\n")}

/** Names and texts, sorted by name. */
export const embeddedModules: readonly (readonly [name: string, text: string])[] = [
${modules.map((path, i) => `  ["${path}", m${i}],`).join("\n")}
];
`;
Deno.writeTextFileSync(new URL("../runtime/data/embedded_modules.ts", import.meta.url), text);

/** Declarations for older compilers repeat the others almost word for word: they would put held-out text into training. */
function listModules(root: string, below = ""): string[] {
  return [...Deno.readDirSync(`${root}/${below}`)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return name.startsWith("ts5.") ? [] : listModules(root, `${below}${name}/`);
    return name.endsWith(".d.ts") ? [below + name] : [];
  });
}

function sizeOf(paths: readonly string[]): number {
  return paths.reduce((bytes, path) => bytes + Deno.statSync(`${folder}/${path}`).size, 0);
}
