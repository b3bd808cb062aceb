// Memory: slabs, runs of frames and the names of a space, taken by two at once.

import * as codes from "../../../dist/abi/codes.gen.js";
import { refuse } from "../violation.mjs";
import { certain } from "../checks.mjs";
import { kernelTrap, trap } from "../world.mjs";

/** A message that no element has room for: two frames. */
const LARGE = 5000;

export const memory = {
  /** Each finds no slab of the zone and makes one. */
  "slab+slab"(world) {
    const actors = [2, 3].map((pid) => {
      const task = world.task(pid, 4);
      return { pid, program: [trap(task, "mach_port_allocate", codes.MACH_PORT_RIGHT_PORT_SET)] };
    });
    return { actors };
  },

  /** Each takes a run of frames for a message. */
  "run+run"(world) {
    const actors = [2, 3].map((pid) => {
      const task = world.task(pid, 4);
      world.warm(task, pid);
      return { pid, program: [kernelTrap("mach_msg_prepare", task.handle, LARGE, 0)] };
    });
    const check = (end) => refuse(certain(end) && end.result(2) === end.result(3), "one message for two");
    return { actors, check };
  },

  /** One takes a run while the other gives one back. */
  "run+release of a run"(world) {
    const tasks = [2, 3].map((pid) => world.task(pid, 4));
    for (const task of tasks) world.warm(task, task.pid);
    const kmsg = world.machine.trap(3, "mach_msg_prepare", tasks[1].handle, LARGE, 0);
    return {
      actors: [
        { pid: 2, program: [kernelTrap("mach_msg_prepare", tasks[0].handle, LARGE, 0)] },
        { pid: 3, program: [kernelTrap("mach_msg_release", kmsg)] },
      ],
    };
  },
};
