/**
 * A transport of which some methods are others.
 * @module
 */
import type { Transport } from "../../p2p/net/transport.ts";

export function replaced(transport: Transport, methods: Partial<Transport>): Transport {
  return new Proxy(transport, {
    get(_, key) {
      if (key in methods) return Reflect.get(methods, key);
      const member: unknown = Reflect.get(transport, key, transport);
      return typeof member === "function" ? member.bind(transport) : member;
    },
  });
}
