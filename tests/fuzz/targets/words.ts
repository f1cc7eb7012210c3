/**
 * What people paste, write and pass on: tickets, `run.json`, flags, and files of other programs.
 * @module
 */
import { strict as assert } from "node:assert";
import { program } from "../../../cli/main.ts";
import { formatTicket, parseTicket } from "../../../p2p/ticket.ts";
import { parseRelayed } from "../../../p2p/net/transport.ts";
import { genesisBytes, parseRunConfig } from "../../../runtime/config.ts";
import { bpeTokenizer } from "../../../runtime/data/bpe.ts";
import { encodeShard, openShard } from "../../../runtime/data/shards.ts";
import { byteLevelJson, BYTES_ONLY } from "../../../runtime/data/tokenizer_json.ts";
import { memoryFolder, memoryReader } from "../../../runtime/folder.ts";
import { readFolder, writeFolder } from "../../../runtime/model/huggingface.ts";
import { openSafetensors } from "../../../runtime/model/safetensors.ts";
import type { Chance } from "../../chance.ts";
import { roughWeights, tinyGpt2, tinyLlama } from "../../tiny_models.ts";
import { tinyRun } from "../../tiny_run.ts";
import { mutated, mutatedText } from "../bytes.ts";
import { LIAR, RULES } from "../samples.ts";
import { accepts, independent, type Target } from "../target.ts";
import { absurd, plausible } from "../values.ts";

const ADDRESS = `/ip4/192.168.1.7/tcp/4001/p2p/${LIAR.peer}`;
const ticket = { run: RULES.run, name: "club", addresses: [ADDRESS, ADDRESS], networkKey: new Uint8Array(32) };
const tickets = [formatTicket(ticket), formatTicket({ ...ticket, networkKey: null })];
const runs = [
  tinyRun(),
  tinyRun({ data: { kind: "shards", shards: [{ blob: RULES.run, sizeBytes: 9, tokenCount: 9 }] } }),
];
const { tokens } = BYTES_ONLY;
const tokenizer: unknown = JSON.parse(
  byteLevelJson({ tokens: [...tokens, "th", "the"], merges: [["t", "h"], ["th", "e"]] }),
);
const shard = encodeShard(new Uint16Array(500).fill(7)).bytes;
const models = await Promise.all([tinyGpt2, tinyLlama].map(async (config) => {
  const folder = memoryFolder();
  await writeFolder(folder, { config, weights: roughWeights(config), tokenizerJson: null });
  return folder.files;
}));
const FLAGS = [
  "--threads",
  "--throttle",
  "--port",
  "--announce",
  "--peer",
  "--minutes",
  "--disk-gb",
  "--name",
  "--device",
];

export const wordTargets: readonly Target[] = [
  independent("ticket", 100, (chance) => {
    const text = chance.happens(0.9)
      ? mutatedText(chance.pick(tickets), chance, chance.pick(tickets))
      : absurdTicket(chance);
    return { sizeBytes: text.length, run: () => expectTicket(text) };
  }),
  independent("run.json", 60, (chance) => {
    const text = jsonText(chance.pick(runs), chance);
    return {
      sizeBytes: text.length,
      run: () =>
        accepts(() => {
          const genesis = genesisBytes(parseRunConfig(text));
          assert.deepEqual(genesisBytes(parseRunConfig(new TextDecoder().decode(genesis))), genesis);
        }, "ConfigError"),
    };
  }),
  independent("flags", 20, (chance) => {
    const value = chance.pick([ADDRESS, "1", "-1", "1e9", "NaN", "", " 1", "0x10", "99999999999999999999"]);
    const args = [
      chance.pick(FLAGS),
      chance.happens(0.5) ? mutatedText(value, chance) : value,
      mutatedText("club", chance),
    ];
    return { sizeBytes: args.join().length, run: () => expectFlags(args) };
  }),
  independent("relayed address", 60, (chance) => {
    const address = mutatedText(`/p2p/${LIAR.peer}/p2p-circuit/p2p/${LIAR.peer}`, chance, ADDRESS);
    return { sizeBytes: address.length, run: () => parseRelayed(address) !== null };
  }),
  independent("tokenizer.json", 3, (chance) => {
    const text = jsonText(tokenizer, chance);
    return { sizeBytes: text.length, run: () => accepts(() => expectTokenizer(text), "TokenizerError") };
  }),
  independent("token shard", 150, (chance) => {
    const bytes = mutated(shard, chance);
    return {
      sizeBytes: bytes.length,
      run: () =>
        accepts(() => {
          const reader = openShard(memoryReader(bytes));
          reader.read(0, new Uint32Array(Math.min(100, reader.tokenCount)));
        }, "ShardError"),
    };
  }),
  independent("safetensors", 20, (chance) => {
    const bytes = mutated(chance.pick(models).get("model.safetensors")!, chance);
    return {
      sizeBytes: bytes.length,
      run: () =>
        accepts(() => {
          const file = openSafetensors(memoryReader(bytes));
          for (const { name, shape } of file.tensors.values()) file.read(name, shape);
        }, "SafetensorsError"),
    };
  }),
  independent("model folder", 6, (chance) => {
    const files = chance.pick(models), config = new TextDecoder().decode(files.get("config.json"));
    const folder = memoryFolder(), text = jsonText(JSON.parse(config), chance);
    folder.files.set("config.json", new TextEncoder().encode(text));
    folder.files.set("model.safetensors", chance.pick(models).get("model.safetensors")!);
    return {
      sizeBytes: text.length + folder.files.get("model.safetensors")!.length,
      run: () => accepts(() => readFolder(folder), "ModelFolderError", "SafetensorsError"),
    };
  }),
];

/** JSON that is damaged as text, or as what it says. */
function jsonText(value: unknown, chance: Chance): string {
  if (chance.happens(0.4)) return mutatedText(JSON.stringify(value), chance);
  if (chance.happens(0.02)) return `{"model":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
  const wrong = chance.happens(0.4) ? plausible(value, chance) : absurd(value, chance);
  try {
    return JSON.stringify(wrong) ?? "";
  } catch {
    return "[".repeat(10_000); // nested too deeply to be written
  }
}

/** A ticket whose checksum is right and whose parts are not. */
function absurdTicket(chance: Chance): string {
  try {
    return formatTicket(absurd(ticket, chance) as typeof ticket);
  } catch {
    return "star1";
  }
}

function expectTicket(text: string): boolean {
  const parsed = parseTicket(text);
  if (parsed.ok) assert.deepEqual(parseTicket(formatTicket(parsed.ticket)), parsed);
  else assert.ok(parsed.reason.length > 20);
  return parsed.ok;
}

function expectFlags(args: readonly string[]): boolean {
  const start = program().commands.find((command) => command.name() === "start")!;
  start.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  try {
    start.parseOptions([...args]);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("commander.")) return false;
    throw error;
  }
}

/** A tokenizer that is taken keeps every text. */
function expectTokenizer(json: string): void {
  const { encode, decode } = bpeTokenizer(json);
  const text = "the thing that is, é漢\n\u0000";
  assert.equal(decode(encode(text)), text);
}
