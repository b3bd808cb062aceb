// The roles of victims by name. Each is `async (life, joined)`: `joined` is the desk's answer, whose rights are
// collector, echo, slow and whatever the role asked for.

import { client } from "./client.mjs";
import { crew } from "./crew.mjs";
import { relay } from "./relay.mjs";
import { sender } from "./sender.mjs";
import { awaitingServer, blockingServer, oracle, trapServer } from "./server.mjs";
import { setReceiver, sink } from "./receiver.mjs";

export const roles = {
  blockingServer,
  awaitingServer,
  oracle,
  trapServer,
  client,
  relay,
  sink,
  setReceiver,
  sender,
  crew,
};
