/**
 * A small internet in network namespaces: hosts with public addresses, homes behind routers that translate addresses,
 * firewalls. Linux and root only, and with `ip` and `nft`; `unusable` says what is missing.
 *
 * Nothing here has a way out: the namespaces hang on one bridge that lies in a namespace itself, so public-looking
 * addresses (11.0.0.0/24) stay inside. Disposing ends the namespaces, and with them every interface and rule in them.
 * @module
 */

/** How a host hangs on the internet. */
export type Place =
  /** A public address; everybody can dial it. */
  | "open"
  /** A public address, and a firewall that drops every UDP packet. */
  | "no UDP"
  /** A public address, and a firewall that lets nobody begin a connection inwards. */
  | "no inbound"
  /** A private address; a router with a public one lets it out and nobody in. */
  | "NAT"
  /** A private address behind two routers, as where the provider translates as well. */
  | "two NATs"
  /** A private address; the router passes TCP port 4001 on to it. */
  | "forwarded port";

export interface PlacedHost {
  readonly name: string;
  readonly place: Place;
  /** Of its own interface. */
  readonly address: string;
  /** Where others see it: its own address, or that of its outermost router. */
  readonly publicAddress: string;
  /** The command that runs another command there. */
  readonly enter: readonly string[];
}

export const FORWARDED_PORT = 4001;
const PUBLIC = "11.0.0";

/** Why there can be no namespaces here, or null. */
export async function unusable(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "network namespaces are Linux's alone";
  if (Deno.uid() !== 0) return "making network namespaces takes root";
  for (const command of [["ip", "-V"], ["nft", "--version"]]) {
    if (!await succeeds(command)) {
      return `there is no \`${command[0]}\` (Debian and Ubuntu: apt-get install iproute2 nftables)`;
    }
  }
  const name = `starling-${Deno.pid}-try`;
  const made = await succeeds(["ip", "netns", "add", name]) &&
    await succeeds(["ip", "netns", "exec", name, "nft", masquerade("lo")]);
  await succeeds(["ip", "netns", "del", name]);
  return made ? null : "this kernel or container makes no network namespaces with address translation";
}

export class Internet implements AsyncDisposable {
  readonly #names: string[] = [];
  readonly #prefix = `starling-${Deno.pid}`;
  #hostCount = 0;

  /** @throws {Error} with what `ip` said. */
  static async make(): Promise<Internet> {
    const internet = new Internet();
    try {
      await internet.#namespace("net");
      await internet.#ip("net", "link add net type bridge forward_delay 0");
      await internet.#ip("net", "link set net up");
      return internet;
    } catch (error) {
      await internet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds a host. */
  async place(place: Place): Promise<PlacedHost> {
    const n = ++this.#hostCount, name = `h${n}`, publicAddress = `${PUBLIC}.${n}`;
    await this.#namespace(name);
    const enter = ["ip", "netns", "exec", this.#name(name)];
    const host = (address: string): PlacedHost => ({ name, place, address, publicAddress, enter });
    switch (place) {
      case "open":
      case "no UDP":
      case "no inbound":
        await this.#plug(name, publicAddress);
        if (place === "no UDP") await this.#filter(name, "meta l4proto udp drop", "meta l4proto udp drop");
        if (place === "no inbound") {
          await this.#filter(name, "ct state { established, related } accept; iif lo accept; drop");
        }
        return host(publicAddress);
      case "NAT":
      case "forwarded port": {
        await this.#router(`r${n}`);
        await this.#plug(`r${n}`, publicAddress);
        const address = await this.#behind(`r${n}`, name, n);
        await this.#translate(`r${n}`);
        if (place === "forwarded port") await this.#forward(`r${n}`, address);
        return host(address);
      }
      case "two NATs": {
        await this.#router(`c${n}`);
        await this.#plug(`c${n}`, publicAddress);
        await this.#router(`r${n}`);
        await this.#behind(`c${n}`, `r${n}`, 100 + n, "outside");
        await this.#translate(`c${n}`);
        const address = await this.#behind(`r${n}`, name, n);
        await this.#translate(`r${n}`);
        return host(address);
      }
      default:
        return place satisfies never;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names.splice(0).reverse()) await succeeds(["ip", "netns", "del", name]);
  }

  async #namespace(name: string): Promise<void> {
    await run(["ip", "netns", "add", this.#name(name)]);
    this.#names.push(this.#name(name));
    await this.#ip(name, "link set lo up");
  }

  async #router(name: string): Promise<void> {
    await this.#namespace(name);
    await run(["ip", "netns", "exec", this.#name(name), "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  }

  /** Connects a namespace's `outside` to the internet's bridge. */
  async #plug(name: string, address: string): Promise<void> {
    await this.#cable(name, "outside", "net", `to-${name}`);
    await this.#ip("net", `link set to-${name} master net`);
    await this.#ip(name, `addr add ${address}/24 dev outside`);
  }

  /** Gives `name` a private network behind `router`; returns its address there. */
  async #behind(router: string, name: string, n: number, interfaceName = "home"): Promise<string> {
    await this.#cable(name, interfaceName, router, "inside");
    await this.#ip(router, `addr add 192.168.${n}.1/24 dev inside`);
    await this.#ip(name, `addr add 192.168.${n}.2/24 dev ${interfaceName}`);
    await this.#ip(name, `route add default via 192.168.${n}.1`);
    return `192.168.${n}.2`;
  }

  async #cable(a: string, interfaceOfA: string, b: string, interfaceOfB: string): Promise<void> {
    await this.#ip(a, `link add ${interfaceOfA} type veth peer name ${interfaceOfB} netns ${this.#name(b)}`);
    await this.#ip(a, `link set ${interfaceOfA} up`);
    await this.#ip(b, `link set ${interfaceOfB} up`);
  }

  /** What goes out gets the router's address; what comes in must be an answer, and all else is met with silence. */
  async #translate(router: string): Promise<void> {
    await this.#nft(router, masquerade("outside"));
    await this.#nft(
      router,
      "table inet wall { chain in { type filter hook input priority 0; iifname outside ct state new drop; }; " +
        "chain forward { type filter hook forward priority 0; policy drop; " +
        "ct state { established, related } accept; iifname inside accept; ct status dnat accept; }; }",
    );
  }

  #forward(router: string, to: string): Promise<void> {
    return this.#nft(
      router,
      "table ip forwarding { chain in { type nat hook prerouting priority -100; " +
        `iifname outside tcp dport ${FORWARDED_PORT} dnat to ${to}; }; }`,
    );
  }

  #filter(name: string, input: string, output = ""): Promise<void> {
    return this.#nft(
      name,
      `table inet wall { chain in { type filter hook input priority 0; ${input}; }; ` +
        `chain out { type filter hook output priority 0; ${output === "" ? "" : `${output};`} }; }`,
    );
  }

  #nft(name: string, rules: string): Promise<void> {
    return run(["ip", "netns", "exec", this.#name(name), "nft", rules]);
  }

  #ip(name: string, command: string): Promise<void> {
    return run(["ip", "-n", this.#name(name), ...command.split(" ")]);
  }

  #name(name: string): string {
    return `${this.#prefix}-${name}`;
  }
}

function masquerade(interfaceName: string): string {
  return `table ip translation { chain out { type nat hook postrouting priority 100; oifname \"${interfaceName}\" masquerade; }; }`;
}

async function run([command, ...args]: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command!, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

async function succeeds([command, ...args]: readonly string[]): Promise<boolean> {
  try {
    const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(command!, options).output()).success;
  } catch {
    return false; // no such command
  }
}
