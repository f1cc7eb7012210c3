/**
 * A name for a peer that was given none: a bird, the same for the same key.
 * @module
 */

const BIRDS = [
  "wren",
  "finch",
  "robin",
  "heron",
  "swift",
  "lark",
  "crane",
  "martin",
  "plover",
  "tern",
  "siskin",
  "dunlin",
  "avocet",
  "bunting",
  "chough",
  "curlew",
  "dipper",
  "eider",
  "fulmar",
  "gannet",
  "grebe",
  "hoopoe",
  "jackdaw",
  "kestrel",
  "linnet",
  "magpie",
  "nuthatch",
  "oriole",
  "osprey",
  "petrel",
  "pipit",
  "puffin",
  "quail",
  "raven",
  "redstart",
  "rook",
  "serin",
  "shrike",
  "skua",
  "snipe",
  "stilt",
  "thrush",
  "twite",
  "warbler",
  "wagtail",
  "whimbrel",
  "wigeon",
  "wryneck",
];

/** Peers may share a name; ids tell them apart. */
export function birdName(peer: string): string {
  let hash = 7;
  for (const character of peer) hash = Math.imul(hash, 31) + character.codePointAt(0)! >>> 0;
  return BIRDS[hash % BIRDS.length]!;
}
