// Comlink over a MessagePort, with its own adapter for Node.
import { expose, wrap } from "comlink/dist/esm/comlink.mjs";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";

export function calls({ role, ports: [port] }) {
  const close = () => port.close();
  if (role === "server") {
    expose({ echo: (payload) => payload }, nodeEndpoint(port));
    return { run: () => {}, close };
  }
  const remote = wrap(nodeEndpoint(port));
  return { call: (payload) => remote.echo(payload), close };
}
