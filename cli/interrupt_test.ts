import { strict as assert } from "node:assert";

/**
 * A process that hears Ctrl+C twice, the second time so much later by its clock, and ends by itself when its standard
 * input closes after that. It says what it hears, since a signal that nobody has taken swallows the next.
 */
async function twiceInterrupted(laterMs: number): Promise<{ readonly code: number; readonly said: string }> {
  const module = new URL("./interrupt.ts", import.meta.url).href;
  const program = `
    import { aborted, listenForInterrupt } from ${JSON.stringify(module)};
    let heard = 0;
    using interrupt = listenForInterrupt(() => {
      console.log("heard");
      return heard++ * ${laterMs};
    });
    console.log("listening");
    await aborted(interrupt.signal);
    for await (const _ of Deno.stdin.readable) { /* only its end matters */ }
    console.log("ended in order");`;
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `data:application/typescript,${encodeURIComponent(program)}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let said = "", signals = 0;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    const heard = said.split("\n").filter((line) => line === "heard").length;
    if (heard < 2 && signals === heard) {
      child.kill("SIGINT");
      signals++;
    } else if (heard === 2 && !said.includes("ended")) await child.stdin.close();
  }
  return { code: (await child.status).code, said: said.trimEnd().split("\n").at(-1)! };
}

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "one Ctrl+C that arrives twice, as through `deno task`, asks to stop and no more",
  ignore,
  async fn() {
    assert.deepEqual(await twiceInterrupted(2), { code: 0, said: "ended in order" });
  },
});

Deno.test({
  name: "a second Ctrl+C ends the process now",
  ignore,
  async fn() {
    assert.deepEqual(await twiceInterrupted(1000), { code: 130, said: "heard" });
  },
});
