// Random calls on tasks: special and registered ports, of the task itself or of another.

import { TASK_BOOTSTRAP_PORT } from "../../host-ts/abi/codes.gen.ts";
import * as tasks from "../lib/oracle-tasks.js";
import { DEAD, type Entry } from "../lib/oracle-state.js";
import { compare, expectSame, type Operation, pickName, remember } from "./choices.js";
import { hex } from "./world.js";

const hasSend = (entry: Entry) => entry.sends > 0;

export const specialPort: Operation = (world, random, actor) => {
  const { by, traps, self, space } = actor;
  const { oracle } = world;
  if (random.chance(50)) {
    const name = random.chance(15) ? random.pick([0, DEAD]) : pickName(random, by, hasSend);
    const code = traps.task_set_special_port(self, TASK_BOOTSTRAP_PORT, name);
    const call = `set_special_port(${hex(name)})`;
    return compare(world, call, code, () => tasks.setBootstrap(oracle, space, by.space, name));
  }
  const word = new Uint32Array(1);
  const code = traps.task_get_special_port(self, TASK_BOOTSTRAP_PORT, word);
  const [chosen = 0] = word;
  let wanted = 0;
  compare(world, `get_special_port() = ${hex(chosen)}`, code, () => {
    wanted = tasks.copyOut(oracle, space, by.space, 0, chosen);
    return [0];
  });
  expectSame("the special port", chosen, wanted);
  remember(by, chosen);
};

export const registeredPorts: Operation = (world, random, actor) => {
  const { by, traps, self, space } = actor;
  const { oracle } = world;
  if (random.chance(50)) {
    const count = random.pick([0, 1, 2, 3, 3, 4]);
    const names = Array.from({ length: count }, () => pickName(random, by, hasSend, 95));
    const code = traps.mach_ports_register(self, Uint32Array.from(names), count);
    const call = `ports_register(${names.map(hex)})`;
    return compare(world, call, code, () => tasks.register(oracle, space, by.space, names));
  }
  const ports = { value: new Uint32Array(0) };
  const code = traps.mach_ports_lookup(self, ports);
  const chosen = [...ports.value];
  let wanted: number[] = [];
  compare(world, `ports_lookup() = ${chosen.map(hex)}`, code, () => {
    wanted = tasks.lookUp(oracle, space, by.space, chosen);
    return [0];
  });
  expectSame("the registered ports", chosen.join(), wanted.join());
};
