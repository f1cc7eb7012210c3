/**
 * Whether a text is an address at which a peer can be dialled. Whether somebody is there is the network's to find out.
 * @module
 */

const HOST = "(?:ip4/(?<ip4>\\d+(?:\\.\\d+){3})|ip6/[\\da-fA-F:.]+|dns[46]?/[^/]+)";
const PEER = "p2p/12D3KooW[1-9A-HJ-NP-Za-km-z]{44}";
const ADDRESS = new RegExp(`^/${HOST}/tcp/(?<port>\\d{1,5})(?:/wss?)?/${PEER}(?:/p2p-circuit/${PEER})?$`);

/** Whether it says where, by which TCP port, and whose id is to answer: of a peer, or of two, the first letting through. */
export function isPeerAddress(text: string): boolean {
  const parts = ADDRESS.exec(text)?.groups;
  if (parts === undefined) return false;
  const port = Number(parts["port"]), bytes = parts["ip4"]?.split(".").map(Number) ?? [];
  return port >= 1 && port <= 65_535 && bytes.every((byte) => byte <= 255);
}
