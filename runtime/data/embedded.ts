/**
 * The default corpus: the API documentation of Node.js, as the declaration files of npm `@types/node` 26.6.6 carry it.
 *
 * English prose with TypeScript, 2.5 MB, by the contributors of DefinitelyTyped under the MIT licence. It comes with
 * the package's dependencies, so a first run needs no download of data and no access to files. It is loaded on demand:
 * importing this file costs nothing.
 * @module
 */

/** What the text is and whose, for people. */
export const EMBEDDED_SOURCE = "Node.js API documentation from @types/node 26.6.6 (MIT licence, DefinitelyTyped)";

/** SHA-256 of the whole text in UTF-8; `run.json` names it, so that all peers train on the same edition. */
export const EMBEDDED_DIGEST = "347177288f3b81aeef2577a4ee832b766c5d469181622a787deb8b2243ebadb0";

/** Loads the whole text: all modules one after another, sorted by name. */
export async function loadEmbeddedText(): Promise<string> {
  const { embeddedModules } = await import("./embedded_modules.ts");
  return embeddedModules.map(([, text]) => text).join("");
}
