// A client that opens its session, adds, gives it up and asks for it again, many times, and ends as it was told to.

import { Task } from "mach-ipc";
import { ADD, CONNECT, decode, encode, SERVICE } from "./protocol.mjs";

const task = await Task.self();
const { client, rounds, end } = task.data;
const service = await task.bootstrap.lookUp(SERVICE);

async function add(session, number) {
  const reply = await session.call({ id: ADD, body: encode(number) });
  const [sum] = decode(reply.body);
  reply[Symbol.dispose]();
  return sum;
}

let session = null;
for (let round = 0; round < rounds; round++) {
  session?.[Symbol.dispose](); // now the server is told, while we ask again
  const reply = await service.call({ id: CONNECT, body: encode(client) });
  [session] = reply.rights;
  reply[Symbol.dispose]();
  // The session may be the one of before or a new one, but it is there, and stays while we have its right.
  const sum = await add(session, 1);
  if ((await add(session, 1)) !== sum + 1) throw new Error("the session was freed under its client");
}
if (end === "dispose") session[Symbol.dispose]();
if (end === "exit") process.exit(0); // with the right in its hand
if (end === "wait") await new Promise((resolve) => setTimeout(resolve, 60_000)); // until it is terminated
