// Memory in messages: taken out of a map, in a queue, mapped again, or destroyed on the way; and memory entries.

import * as codes from "../../../dist/abi/codes.gen.js";
import { answer, certain } from "../checks.mjs";
import {
  arrived,
  carrier,
  confine,
  copied,
  holds,
  leased,
  NEW,
  OLD,
  PAGE,
  pages,
  warmMemory,
  write,
} from "../pages.mjs";
import { received, receive, send, trap, kernelTrap } from "../world.mjs";
import { refuse } from "../violation.mjs";

const { KERN_INVALID_TASK, KERN_SUCCESS, MACH_MSG_SUCCESS, MACH_SEND_INVALID_DEST, MACH_SEND_INVALID_MEMORY } = codes;

/** A client that 2 and 3 act in, and a server on 4: a message with a page of the client's. */
function line(world, options = {}) {
  const server = world.task(4, ...(options.server ?? []));
  const client = world.task(2, ...(options.client ?? [3, 4]));
  for (const task of [server, client]) for (const pid of task.pids) if (pid < 4) warmMemory(world, task, pid);
  const into = world.port(server);
  const { count = 1 } = options;
  const at = pages(world, client, { count });
  const to = world.right(into, client);
  const message = carrier(world, client, 2, { to, address: at, size: count * PAGE, ...options });
  return { server, client, into, at, message };
}

const both = (one, other, check, more) => ({
  actors: [
    { pid: 2, program: [one].flat() },
    { pid: 3, program: [other].flat() },
  ],
  check,
  ...more,
});

/** Makes a memory entry of a page that is shared. */
const entry = (task, at) => trap(task, "mach_make_memory_entry", PAGE, at, codes.MAP_MEM_VM_SHARE | 3, 0);

/** Arguments that map the page of an entry somewhere. */
const mapping = (name, copy) => [0, PAGE, 0, codes.VM_FLAGS_ANYWHERE, name, 0, copy, 3, 3, 1];

export const regions = {
  "move of memory+deallocate"(world) {
    const { client, at, message } = line(world, { deallocate: true });
    return both(send(client, message), trap(client, "vm_deallocate", at, PAGE), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS, MACH_SEND_INVALID_MEMORY);
      answer(end, 3, 0, KERN_SUCCESS);
    });
  },

  "move of memory+write"(world) {
    const { client, at, message } = line(world, { deallocate: true });
    return both(send(client, message), write(world, client, 3, at), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS);
      answer(end, 3, 0, KERN_SUCCESS, codes.KERN_INVALID_ADDRESS);
    });
  },

  /** What is leased is copied. */
  "move of memory+end of a lease of it"(world) {
    const { client, at, message } = line(world, { deallocate: true });
    const held = leased(world, client, 3, at, 1);
    return both(send(client, message), kernelTrap("vm_lease_end", held), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS);
      answer(end, 3, 0, KERN_SUCCESS);
    });
  },

  "copy of memory+write"(world) {
    const { client, at, message } = line(world);
    return both(send(client, message), write(world, client, 3, at), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS);
      answer(end, 3, 0, KERN_SUCCESS);
      holds(end, client, at, NEW, ...(certain(end) ? [] : [OLD]));
    });
  },

  "copy of memory+deallocate"(world) {
    const { client, at, message } = line(world);
    return both(send(client, message), trap(client, "vm_deallocate", at, PAGE), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS, MACH_SEND_INVALID_MEMORY);
      answer(end, 3, 0, KERN_SUCCESS);
    });
  },

  /** A chain of three entries, or what is left of it. */
  "copy of 3 objects+deallocate of one"(world) {
    const { client, at, message } = line(world, { count: 3 });
    return both(send(client, message), trap(client, "vm_deallocate", at + PAGE, PAGE), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS, MACH_SEND_INVALID_MEMORY);
      answer(end, 3, 0, KERN_SUCCESS);
      for (const place of [at, at + 2 * PAGE]) holds(end, client, place, OLD);
    });
  },

  "move of 3 objects+write"(world) {
    const { client, at, message } = line(world, { count: 3, deallocate: true });
    return both(send(client, message), write(world, client, 3, at + PAGE), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS);
      answer(end, 3, 0, KERN_SUCCESS, codes.KERN_INVALID_ADDRESS);
    });
  },

  /** The bytes beside the range are nobody else's business: the page is copied. */
  "copy of a part of a page+write"(world) {
    const { client, at, message } = line(world, { size: 2 });
    return both(send(client, message), write(world, client, 3, at), (end) => {
      answer(end, 2, 0, MACH_MSG_SUCCESS);
      holds(end, client, at, NEW, ...(certain(end) ? [] : [OLD]));
    });
  },

  "send of memory+destroy of the destination"(world) {
    const { server, client, into, message } = line(world, { client: [4], server: [3], deallocate: true });
    return both(
      send(client, message),
      trap(server, "mach_port_destroy", into.name),
      (end) => answer(end, 2, 0, MACH_MSG_SUCCESS, MACH_SEND_INVALID_DEST),
      { destroys: true },
    );
  },

  "memory in a queue, destroyed+write to the original"(world) {
    const { server, client, into, at, message } = line(world, { client: [4], server: [3] });
    world.sendNow(client, 2, message);
    return both(
      write(world, client, 2, at),
      trap(server, "mach_port_destroy", into.name),
      (end) => {
        answer(end, 2, 0, KERN_SUCCESS);
        holds(end, client, at, NEW, ...(certain(end) ? [] : [OLD]));
      },
      { destroys: true },
    );
  },

  /** What was sent stays what it was. */
  "receive of a copy+write to the original"(world) {
    const { server, client, into, at, message } = line(world, { client: [4], server: [3] });
    world.sendNow(client, 2, message);
    return both(write(world, client, 2, at), receive(server, into.name, 0), (end) => {
      answer(end, 2, 0, KERN_SUCCESS);
      holds(end, client, at, NEW, ...(certain(end) ? [] : [OLD]));
      if (!certain(end)) return;
      refuse(!received(end.result(3)), "the message did not come");
      refuse(arrived(end, server, 3) !== OLD, "a copy has changed");
    });
  },

  "receive of memory+destroy"(world) {
    const { server, client, into, message } = line(world, { client: [4], server: [2, 3], deallocate: true });
    world.sendNow(client, 2, message);
    return both(trap(server, "mach_port_destroy", into.name), receive(server, into.name, 0), undefined, {
      destroys: true,
    });
  },

  /** Both pages must be copied, and there is a frame for one: nothing goes. */
  "move that is refused+write"(world) {
    const [server, client] = [world.task(4), world.task(2, 3, 4)];
    for (const pid of [2, 3]) warmMemory(world, client, pid);
    const at = pages(world, client, { count: 2 });
    leased(world, client, 4, at + PAGE, 1);
    confine(world, client, 1);
    const to = world.right(world.port(server), client);
    const message = carrier(world, client, 2, { to, address: at + 4, size: 2 * PAGE - 4, deallocate: true });
    return both(send(client, message), write(world, client, 3, at + 8), (end) => {
      answer(end, 2, 0, codes.MACH_SEND_NO_BUFFER);
      answer(end, 3, 0, KERN_SUCCESS);
      for (const place of [at, at + PAGE]) holds(end, client, place, OLD);
      holds(end, client, at + 8, NEW, ...(certain(end) ? [] : [0]));
    });
  },

  "receive of memory+task end"(world) {
    const { server, client, into, message } = line(world, { client: [4], server: [3], deallocate: true });
    world.sendNow(client, 2, message);
    return both(kernelTrap("task_terminate", server.handle), receive(server, into.name, 0), undefined, {
      destroys: true,
      unaccounted: true,
    });
  },

  "move of memory+task end"(world) {
    const { client, message } = line(world, { client: [4], deallocate: true });
    world.task(3);
    return both(
      send(client, message),
      kernelTrap("task_terminate", client.handle),
      (end) => answer(end, 2, 0, MACH_MSG_SUCCESS, KERN_INVALID_TASK, MACH_SEND_INVALID_DEST, MACH_SEND_INVALID_MEMORY),
      { destroys: true },
    );
  },

  /** The entry dies with its last right. */
  "map of a memory entry+its last release"(world) {
    const task = world.task(2, 3, 4);
    for (const pid of [2, 3]) warmMemory(world, task, pid);
    const at = pages(world, task);
    world.expect(2, "mach_make_memory_entry", task.handle, task.self, PAGE, at, 3, 0);
    const name = world.machine.out(2, 1);
    return both(trap(task, "vm_map", ...mapping(name, 1)), trap(task, "mach_port_deallocate", name), (end) => {
      answer(end, 2, 0, KERN_SUCCESS, codes.KERN_INVALID_ARGUMENT);
      answer(end, 3, 0, KERN_SUCCESS);
      holds(end, task, at, OLD);
    });
  },

  /** From then on they are shared on purpose. */
  "entry of shared memory+write"(world) {
    const task = world.task(2, 3, 4);
    for (const pid of [2, 3]) warmMemory(world, task, pid);
    world.warm(task, 2);
    const at = pages(world, task);
    copied(world, task, task, at);
    return both(entry(task, at), write(world, task, 3, at), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      holds(end, task, at, NEW, ...(certain(end) ? [] : [OLD]));
    });
  },

  /** What is shared is copied at once. */
  "copy of shared memory+map of its entry"(world) {
    const task = world.task(2, 3, 4);
    for (const pid of [2, 3]) warmMemory(world, task, pid);
    const at = pages(world, task);
    world.expect(4, ...entry(task, at).call());
    const name = world.machine.out(4, 1);
    return both(trap(task, "vm_read", at, PAGE), trap(task, "vm_map", ...mapping(name, 0)), (end) => {
      for (const pid of [2, 3]) answer(end, pid, 0, KERN_SUCCESS);
      for (const place of certain(end) ? [at, at + PAGE, at + 2 * PAGE] : [at]) holds(end, task, place, OLD);
    });
  },
};
