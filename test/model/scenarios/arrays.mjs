// Arrays of ports: sent while the destination dies, and received while a port of theirs does.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, certain } from "../checks.mjs";
import { received, receive, send, trap } from "../world.mjs";
import { refuse } from "../violation.mjs";

const { MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_RECEIVE } = codes;

/** A message of a client on 2 and 4 to a server on 3 and 4, with an array of these names. */
function line(world, names, type) {
  const server = world.task(3, 4);
  const client = world.task(2, 4);
  const into = world.port(server);
  const to = world.right(into, client);
  const message = world.message(client, 2, { to, array: { names: names(client), type } });
  return { server, client, into, message };
}

export const arrays = {
  "send of an array+destroy of the destination"(world) {
    const ports = [];
    const named = (client) => [0, 1].map(() => ports[ports.push(world.port(client)) - 1].name);
    const { server, client, into, message } = line(world, named, MACH_MSG_TYPE_MOVE_RECEIVE);
    return {
      moves: true,
      destroys: true,
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(server, "mach_port_destroy", into.name)] },
      ],
      check: (end) => answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_DEST),
    };
  },

  /** One of the rights has died when it arrives, or dies in the receiver's space. */
  "receive of an array+death of a port"(world) {
    const other = world.task(2);
    const port = world.allocate(other);
    const named = (client) => [world.right({ task: other, name: port }, client), 0];
    const { server, client, into, message } = line(world, named, MACH_MSG_TYPE_COPY_SEND);
    world.sendNow(client, 2, message);
    return {
      destroys: true,
      actors: [
        { pid: 2, program: [trap(other, "mach_port_destroy", port)] },
        { pid: 3, program: [receive(server, into.name, 0)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.KERN_SUCCESS);
        if (certain(end)) refuse(!received(end.result(3)), "the message did not come");
      },
    };
  },

  /** A right of an array is not there any more, or is: the array is freed, and what was copied in before. */
  "send of an array+release of a right"(world) {
    const owner = world.task(4);
    const port = world.allocate(owner);
    const client = world.task(2, 3, 4);
    world.warm(client, 3);
    const [to, right] = [world.right(world.port(owner), client), world.right({ task: owner, name: port }, client)];
    const array = { names: [to, right], type: MACH_MSG_TYPE_COPY_SEND };
    const message = world.message(client, 2, { to, array });
    return {
      actors: [
        { pid: 2, program: [send(client, message)] },
        { pid: 3, program: [trap(client, "mach_port_deallocate", right)] },
      ],
      check(end) {
        answer(end, 2, 0, codes.MACH_MSG_SUCCESS, codes.MACH_SEND_INVALID_RIGHT);
        answer(end, 3, 0, codes.KERN_SUCCESS);
      },
    };
  },
};
