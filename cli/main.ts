/**
 * `starling`: the commands, their flags and their help. What a command does stands in the file of its name and is
 * loaded only when it runs.
 * @module
 */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { isPlainText } from "../p2p/plain_text.ts";
import { reasonOf } from "../p2p/reason.ts";
import { LONGEST_NAME } from "../p2p/sync/offer.ts";
import { presets } from "../runtime/presets.ts";
import { EXIT, exitOf } from "./exit.ts";
import { isPeerAddress } from "./peer_address.ts";
import { failure, mannerOf, note } from "./print.ts";
import { quietGraphicsDriver } from "./surroundings.ts";
import { VERSION } from "./version.ts";

/** The whole command line; `parseAsync` runs it. */
export function program(): Command {
  const root = new Command("starling")
    .description("Train one language model together, on the machines you have. No server, no account.")
    .version(VERSION)
    .showHelpAfterError("(add --help for what is possible)")
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ sortSubcommands: false });
  const command = (name: string, summary: string) =>
    root.command(name).summary(summary).description(summary).exitOverride();

  command("demo", "Train with three unequal peers on this machine for three minutes, and see what it writes")
    .option("--minutes <n>", "how long", positive, 3)
    .option("--peers <n>", "how many peers", whole(1, 8), 3)
    .option("--until-loss <nats>", "end when the held-out loss is reached", positive)
    .option("--folder <folder>", "where it keeps its files (a former demo there is replaced)", "starling-demo")
    .addOption(deviceOption()).addOption(precisionOption())
    .addOption(jsonOption()).addOption(quietOption())
    .action(async (options) => {
      const { demo } = await import("./demo.ts");
      Deno.exit(await demo({ ...options, manner: mannerOf(options) }));
    });

  command("init", "Make a run: writes run.json, the tokenizer and the data into a folder")
    .argument("<folder>", "new folder")
    .addOption(new Option("--preset <name>", "size and training choices").choices(Object.keys(presets)).default("demo"))
    .option("--data <path>", "your own text: a file or a folder (default: Node's API documentation)")
    .addOption(new Option("--tokenizer <kind>", "default: the preset's").choices(["bytes", "bpe"]))
    .option("--vocabulary <n>", "tokens of a bpe tokenizer (default: the preset's)", whole(300, 65_536))
    .option("--name <name>", "name of the run (default: the folder's)")
    .option("--target-tokens <n>", "end of the run (default: the preset's)", whole(1, Number.MAX_SAFE_INTEGER))
    .option("--seed <n>", "of initial weights and data order", whole(0, 0xffff_ffff), 1)
    .addOption(
      new Option(
        "--membership <kind>",
        "private: with the ticket; allow: with it and on the owner's list; open: anyone",
      )
        .choices(["private", "allow", "open"]).default("private"),
    )
    .addOption(jsonOption()).addOption(quietOption())
    .action(async (folder, options) => {
      const { init } = await import("./init.ts");
      await init({ folder, ...options });
    });

  peerOptions(command("start", "Be a peer of the run in a folder; prints the ticket for others"))
    .argument("<folder>", "folder of the run")
    .action(async (folder, options) => {
      const { start } = await import("./start.ts");
      Deno.exit(await start({ folder, ...options, manner: mannerOf(options) }));
    });

  peerOptions(command("join", "Join a run by its ticket"))
    .argument("<ticket>", "the text that somebody in the run gave you")
    .option("--folder <folder>", "where to keep the run (default: its name)")
    .action(async (ticket, options) => {
      const { join } = await import("./join.ts");
      Deno.exit(await join({ ticket, ...options, manner: mannerOf(options) }));
    });

  command("members", "List who belongs to a run with a list of members, or change the list as its owner")
    .argument("<folder>", "folder of the run")
    .option("--allow <peer id>", "let this peer in; may be given several times", collect, [])
    .option("--remove <peer id>", "send this peer away; may be given several times", collect, [])
    .addOption(stateOption()).addOption(jsonOption()).addOption(quietOption())
    .action(async (folder, options) => (await import("./members.ts")).members({ folder, ...options }));

  command("status", "What a peer, running or stopped, knows: head, digest, round, peers, fates of its offers")
    .argument("<folder>", "folder of the run")
    .addOption(stateOption()).addOption(jsonOption()).addOption(quietOption())
    .option("--why", "why offers were late or lost, and why peers are not reached directly")
    .action(async (folder, options) => (await import("./status.ts")).status({ folder, ...options }));

  command("doctor", "Look for what would keep this machine from taking part, and say what to do")
    .argument("[ticket or folder]", "a run to look at as well")
    .option("--folder <folder>", "where the run of a ticket would be kept (default: its name)")
    .addOption(stateOption())
    .option("--port <n>", "TCP port to listen on (default: the last one used)", whole(1, 65_535))
    .option("--listen <address>", "address to listen on", "0.0.0.0")
    .option("--peer <address>", "a peer to dial; may be given several times", peerAddress, [])
    .option("--no-mdns", "do not try the local network's multicast")
    .addOption(jsonOption()).addOption(quietOption())
    .action(async (target, options) => {
      const { doctor } = await import("./doctor.ts");
      Deno.exit(await doctor({ target, ...options }));
    });

  command("sample", "Write text with a model")
    .argument("<folder>", "folder of a run, or of a model in Hugging Face layout")
    .option("--prompt <text>", "how the text begins", "")
    .option("--tokens <n>", "how many tokens to write", whole(1, 100_000), 200)
    .option("--temperature <t>", "0: always the likeliest token", nonNegative, 0.8)
    .option("--top-k <n>", "choose among the n likeliest tokens; 0: all", whole(0, 1_000_000), 0)
    .option("--seed <n>", "the same seed gives the same text", whole(0, 0xffff_ffff), 1)
    .addOption(ewaOption())
    .addOption(stateOption()).addOption(deviceOption()).addOption(jsonOption()).addOption(quietOption())
    .action(async (folder, options) => (await import("./sample.ts")).sample({ folder, ...options }));

  command("eval", "Measure a model's loss on tokens or text")
    .argument("<folder>", "folder of a run, or of a model in Hugging Face layout")
    .option("--tokens <file>", "tokens as little-endian u32")
    .option("--text <file>", "text, tokenized first (default for a run: its held-out text)")
    .addOption(ewaOption())
    .addOption(stateOption()).addOption(deviceOption()).addOption(jsonOption()).addOption(quietOption())
    .action(async (folder, options) => (await import("./eval.ts")).evaluate({ folder, ...options }));

  command("export", "Write a run's model in Hugging Face layout")
    .argument("<folder>", "folder of the run")
    .argument("[output]", "new folder (default: <folder>/model)")
    .addOption(ewaOption())
    .addOption(stateOption()).addOption(jsonOption()).addOption(quietOption())
    .action(async (folder, output, options) => (await import("./export.ts")).runExport({ folder, output, ...options }));

  command("compare", "Set time, throughput, memory and convergence of runs side by side")
    .argument("<runs...>", "folders of runs or of peers, or metrics files")
    .option("--target <nats>", "held-out loss to be reached (default: one that every run has reached)", positive)
    .option("--plot <file>", "draw losses, batches and speeds, as SVG")
    .addOption(jsonOption()).addOption(quietOption())
    .action(async (runs, options) => (await import("./compare.ts")).compare({ runs, ...options }));

  experimentOptions(command("cbs", "Measure the critical batch size: from where on larger batches save few steps"))
    .option(
      "--batches <list>",
      "sequences, e.g. 1,2,4,8 (default: from 1/4 to 32 times the reference)",
      list(whole(1, 1_048_576)),
    )
    .option(
      "--reference <n>",
      "batch where scaling is still perfect (default: a quarter of the run's, as a power of two)",
      whole(1, 1_048_576),
    )
    .option(
      "--tokens <n>",
      "what the reference trains on to set the target",
      whole(1, Number.MAX_SAFE_INTEGER),
      1_000_000,
    )
    .option("--target <nats>", "held-out loss to reach (default: what the reference reaches)", positive)
    .addOption(
      new Option("--rates <list>", "factors of the rate, the best counts at each batch").argParser(list(positive))
        .default([1], "1"),
    )
    .addOption(new Option("--vary <what>", "repeat it over").choices(["data", "depth", "width"]))
    .option("--values <list>", "factors of what is varied (data: 0.25,0.5,1; depth, width: 0.5,1,2)", list(positive))
    .option("--proxy <share>", "width and depth of the model that is trained, as a share of the run's", share, 1)
    .action(async (run, options) => {
      const { cbs } = await import("./cbs.ts"), { runOrHelp } = await import("./experiment.ts");
      const flags = { ...options, manner: mannerOf(options) };
      Deno.exit(await runOrHelp({ ...flags, run }, (run) => cbs({ ...flags, run })));
    });

  experimentOptions(command("tune", "Find learning rate, outer rate and momentum for a batch, on a smaller model"))
    .option("--batch <n>", "global batch of a step, in sequences (default: the run's)", whole(1, 1_048_576))
    .option("--peers <n>", "equal peers of the flock that is tried", whole(1, 64), 4)
    .option("--steps <n>", "inner steps of a round", whole(1, 10_000), 10)
    .option("--tokens <n>", "of one trial, of all its peers", whole(1, Number.MAX_SAFE_INTEGER), 500_000)
    .addOption(
      new Option("--rates <list>", "factors of the run's learning rate").argParser(list(positive))
        .default([0.5, 1, 2], "0.5,1,2"),
    )
    .option(
      "--outer-rates <list>",
      "outer learning rates (default: 0.7,1; 1 with the codecs topk and auto)",
      list(positive),
    )
    .option("--momenta <list>", "outer momenta (default: 0,0.9; 0 with the codecs topk and auto)", list(nonNegative))
    .option(
      "--proxy <share>",
      "width and depth of the model that is trained (default: what has a million parameters)",
      share,
    )
    .action(async (run, options) => {
      const { tune } = await import("./tune.ts"), { runOrHelp } = await import("./experiment.ts");
      const flags = { ...options, manner: mannerOf(options) };
      Deno.exit(await runOrHelp({ ...flags, run }, (run) => tune({ ...flags, run })));
    });

  command("devices", "Measure every device of this machine and say which one is chosen")
    .option(
      "--tune [run]",
      "measure instead which matrix products are fastest on the GPU, for the model of a run's folder or a preset",
    )
    .addOption(
      new Option("--device <kind>", "with --tune: which of the GPU's devices").choices(["auto", "webgpu", "dawn"])
        .default("auto", "the one that auto takes"),
    )
    .addOption(jsonOption()).addOption(quietOption())
    .action(async ({ tune, device, ...options }) => {
      if (tune === undefined) return await (await import("./devices.ts")).devices(options);
      const { tuneDevices } = await import("./devices_tune.ts");
      await tuneDevices(tune === true ? "gpt2" : tune, { device, manner: mannerOf(options) });
    });

  command(
    "profile",
    "Show where the time of a training step goes, kernel by kernel, and what of the device's peak it is",
  )
    .argument("[run]", "folder of a run, its run.json, or a preset: demo, small, gpt2", "demo")
    .option(
      "--batch <n>",
      "sequences of the step (default: 4,096 tokens, or what there is memory for)",
      whole(1, 65_536),
    )
    .option("--steps <n>", "steps that are profiled", whole(1, 1000), 5)
    .addOption(new Option("--precision <kind>", "how activations lie in memory").choices(["f32", "f16"]).default("f32"))
    .option("--trace <file>", "write the profiled steps as a trace that ui.perfetto.dev and Chrome draw")
    .option("--threads <n>", "threads of the cpu device (default: all cores)", whole(1, 64))
    .addOption(deviceOption()).addOption(jsonOption()).addOption(quietOption())
    .action(async (run, options) => {
      const { profile } = await import("./profile.ts");
      await profile({ ...options, run, manner: mannerOf(options) });
    });

  command("inspect", "Look into the chain of a peer")
    .argument("<folder>", "folder of the run")
    .addArgument(new Argument("[what]", "chain, ledger, or the digest of a record").default("chain"))
    .addOption(stateOption()).addOption(jsonOption()).addOption(quietOption())
    .action(async (folder, what, options) => {
      const { inspect } = await import("./inspect.ts");
      Deno.exit(await inspect({ folder, what, ...options }));
    });
  return root;
}

function peerOptions(command: Command): Command {
  return command
    .addOption(stateOption())
    .addOption(deviceOption()).addOption(precisionOption())
    .option("--threads <n>", "threads of the cpu device (default: all cores)", whole(1, 64))
    .option("--throttle <percent>", "share of the time that this peer may compute", whole(1, 100), 100)
    .option("--name <name>", "how others see this peer (default: a bird)", peerName)
    .option("--port <n>", "TCP port to listen on (default: the last one used)", whole(1, 65_535))
    .option("--listen <address>", "address to listen on", "0.0.0.0")
    .option("--announce <address>", "where others are to dial this peer: a forwarded port; several times", dialable, [])
    .option("--peer <address>", "a peer to connect to; may be given several times", peerAddress, [])
    .option("--no-mdns", "do not look for peers on the local network")
    .option("--no-relay", "do not pass anything on between peers that cannot reach each other")
    .option("--minutes <n>", "stop after this long", positive)
    .option("--disk-gb <n>", "what this peer's blobs may take, in 10⁹ bytes", positive, 20)
    .addOption(jsonOption()).addOption(quietOption())
    .addOption(new Option("--attached", "stop when standard input closes").hideHelp());
}

function experimentOptions(command: Command): Command {
  return command
    .argument("[run]", "folder of a run, its run.json, or a preset: demo, small, gpt2")
    .option("--seeds <n>", "how often, from other initial weights and data", whole(1, 32), 1)
    .option("--folder <folder>", "where the sweep is kept, and gone on with (default: in the run's folder)")
    .option("--threads <n>", "threads of the cpu device (default: all cores)", whole(1, 64))
    .option("--minutes <n>", "stop after this long; the same command goes on", positive)
    .option("--share", "let others help: prints a ticket for them")
    .option("--join <ticket>", "help with somebody else's sweep, instead of asking about a run")
    .option("--listen <address>", "address to listen on, with --share and --join", "0.0.0.0")
    .option("--port <n>", "TCP port to listen on (default: any)", whole(1, 65_535))
    .addOption(deviceOption()).addOption(jsonOption()).addOption(quietOption());
}

function deviceOption(): Option {
  return new Option("--device <kind>", "where to compute").choices(["auto", "cpu", "webgpu", "dawn"]).default("auto");
}

function precisionOption(): Option {
  return new Option("--precision <kind>", "how activations lie in memory; auto: f16 where it is right and faster")
    .choices(["auto", "f32", "f16"]).default("auto");
}

function stateOption(): Option {
  return new Option("--state <folder>", "this peer's own folder (default: <folder>/peer)");
}

function ewaOption(): Option {
  return new Option("--ewa", "the average of the run's weights over its rounds, instead of the newest");
}

function jsonOption(): Option {
  return new Option("--json", "one event a line, as JSON");
}

function quietOption(): Option {
  return new Option("--quiet", "results and errors only");
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`it must be a whole number from ${least} to ${most}.`);
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("it must be a number above 0.");
}

function share(text: string): number {
  const value = positive(text);
  if (value <= 1) return value;
  throw new InvalidArgumentError("it must be above 0 and at most 1.");
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("it must be 0 or more.");
}

/** Values between commas; what is wrong with one of them is said of that one. */
function list(parse: (item: string) => number): (text: string) => readonly number[] {
  return (text) =>
    text.split(",").map((part) => {
      const item = part.trim();
      try {
        return parse(item);
      } catch (error) {
        throw new InvalidArgumentError(`'${item}' is no value of a list like 1,2,4: ${reasonOf(error)}`);
      }
    });
}

function dialable(value: string, before: readonly string[]): readonly string[] {
  if (/^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+(\/wss?)?(\/p2p\/\w+)?$/.test(value)) return [...before, value];
  throw new InvalidArgumentError("it must be an address like /ip4/203.0.113.7/tcp/4001.");
}

function peerAddress(value: string, before: readonly string[]): readonly string[] {
  if (isPeerAddress(value)) return [...before, value];
  throw new InvalidArgumentError(
    "it must be an address that ends in a peer's id, like /ip4/192.168.1.7/tcp/4001/p2p/12D3KooW… " +
      "'starling status <folder>' prints those of the peer that runs there.",
  );
}

function peerName(text: string): string {
  if (text.length > 0 && text.length <= LONGEST_NAME && isPlainText(text)) return text;
  throw new InvalidArgumentError(`it must be 1 to ${LONGEST_NAME} characters, without control characters.`);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

if (import.meta.main) {
  quietGraphicsDriver();
  try {
    await program().parseAsync(Deno.args, { from: "user" });
    Deno.exit(EXIT.done);
  } catch (error) {
    Deno.exit(report(error));
  }
}

/** Says what went wrong and returns the exit code. Commander has already said what is wrong with a flag. */
function report(error: unknown): number {
  if (error instanceof Error && "exitCode" in error && "code" in error && String(error.code).startsWith("commander.")) {
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  const { code, expected } = exitOf(error);
  const message = reasonOf(error);
  failure(message, code);
  if (!expected && error instanceof Error) {
    note(`${error.stack ?? ""}\nThis is a mistake in Starling. Please report it.`);
  }
  return code;
}
