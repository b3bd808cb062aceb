// A server that keeps a sum for each client as long as the client has a right to its session.

import { move, Task } from "mach-ipc";
import { ADD, CONNECT, COUNT, decode, encode, SERVICE } from "./protocol.mjs";
import { Sessions } from "./sessions.mjs";

const task = await Task.self();
const service = await task.bootstrap.checkIn(SERVICE);
const ports = task.allocatePortSet([service]);
let freed = 0;
const sessions = new Sessions(task, () => freed++);

for await (const message of ports) {
  if (message.id === CONNECT) {
    const [client] = decode(message.body);
    const right = sessions.open(client, (port) => {
      ports.add(port);
      return { sum: 0 };
    });
    message.respond({ rights: [move(right)] });
  } else if (message.id === COUNT) {
    message.respond({ body: encode(sessions.size, freed) });
  } else if (message.id === ADD) {
    const state = sessions.stateOf(message.port);
    const [number] = decode(message.body);
    state.sum += number;
    message.respond({ body: encode(state.sum) });
  }
  message[Symbol.dispose]();
}
