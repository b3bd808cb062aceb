// A world of two tasks in which another processor acts in the midst of a call.

import * as codes from "../../host-ts/abi/codes.gen.ts";
import { between, Machine } from "./machine.ts";

const COPY = codes.MACH_MSG_TYPE_COPY_SEND;
const MAKE = codes.MACH_MSG_TYPE_MAKE_SEND;

/** Two tasks, run by processors 1 and 2; processor 3 does what comes between. `port` is b's, `out` a's send right for it. */
export function trio(how: ConstructorParameters<typeof Machine>[2] = {}) {
  const machine = new Machine(128, 64, how);
  const [one, two, three] = [machine.agent(1), machine.agent(2), machine.agent(3)];
  const four = machine.agent(4);
  const [a, b] = [one.task(), two.task()];
  const port = b.allocate();
  const out = b.give(port, MAKE, a);
  const nameOfB = b.give(b.self, COPY, a);
  return { machine, one, two, three, four, a, b, port, out, nameOfB };
}

export type World = ReturnType<typeof trio>;

/** The codes of a call during which something else happens. */
export function codesOf(
  world: World,
  act: (world: World) => number,
  meanwhile: (world: World) => void,
  stride = 1,
  places = Infinity,
): string[] {
  const { machine, one, three, four } = world;
  return between(
    machine,
    one,
    () => act(world),
    () => meanwhile(world),
    () => {
      one.core.zone_count(0);
      three.core.zone_count(0);
      // Everybody is buried: nothing may be left, but the host's port.
      const before = four.core.kernel_check();
      if (before !== 0) throw new Error(`kernel_check: ${before.toString(16)}`);
      for (const other of [1, 2, 3]) four.buries(machine.agent(other));
      four.drain();
      const site = four.core.kernel_check();
      if (site !== 0) throw new Error(`kernel_check: ${site.toString(16)}`);
      const { PORT = 0, ...left } = machine.census(four);
      if (Object.keys(left).length !== 0 || PORT > 1) throw new Error(`left: ${JSON.stringify({ PORT, ...left })}`);
    },
    stride,
    places,
  );
}
