// What must be true when everybody has come to rest: no lock held, every object whole, nobody asleep who was answered, every
// message accounted for; and, after all tasks are ended, nothing left.

import * as codes from "../../dist/abi/codes.gen.js";
import * as layout from "../../dist/abi/layout.gen.js";
import { ASLEEP, DEAD, DONE } from "./coroutine.mjs";
import { generationOf, recordOf } from "./memory.mjs";
import { refuse } from "./violation.mjs";
import { census, misplaced } from "./hands.mjs";
import { HEARD } from "./machine.mjs";
import { abandoned, remains } from "./remains.mjs";
import { completions, idOf, received, seqnoOf } from "./world.mjs";

export const AUDITOR = 7;
/** Processors that bury. */
const SETTLERS = [5, 6];
const { HEADER } = layout;

/** `run` is { machine, world, plan, before, dead: Set of pid, faulted: Set of pid, quiesce() }. */
export function audit(run) {
  const { machine, world, plan } = run;
  plan.rest?.(run);
  standing(run);
  const account = messages(run, completed(run));
  const wrong = misplaced(machine);
  refuse(wrong !== undefined, wrong);
  plan.check?.({ ...run, ...account, result: (pid, at = 0) => machine.coroutines[pid].results[at] });
  refuse(abandoned(machine, world.tasks) !== undefined, "a task that nobody runs any more is not ended");
  for (const task of world.tasks) machine.trap(AUDITOR, "task_terminate", task.handle);
  run.quiesce();
  for (const { pid } of plan.actors) {
    const { status } = machine.coroutines[pid];
    refuse(status !== DONE && status !== DEAD, `processor ${pid} is not woken by the end of its task`);
  }
  for (let pid = 1; pid < AUDITOR; pid++) {
    if (machine.u32(recordOf(pid)) !== layout.PROCESSOR_FREE)
      machine.trap(AUDITOR, "processor_gone", pid, generationOf(machine, pid));
    const leaves = remains(machine, pid);
    refuse(leaves !== undefined, leaves);
  }
  const left = JSON.stringify(census(machine));
  refuse(left !== run.before, `left behind: ${left}, before: ${run.before}`);
  const torn = misplaced(machine); // what was freed twice
  refuse(torn !== undefined, torn);
}

/** Nothing runs: what has to hold of the kernel as it stands. */
function standing({ machine, plan, dead, faulted }) {
  const { words } = machine;
  refuse(
    machine.u32(HEADER + layout.Header_h_panic) !== 0,
    `kassert 0x${machine.u32(HEADER + layout.Header_h_panic).toString(16)}`,
  );
  refuse(words[(HEADER + 0) >>> 2] !== layout.HEADER_MAGIC, "the header is overwritten");
  const locks = machine.u32(HEADER + layout.Header_h_ip_transit) | machine.u32(HEADER + layout.Header_h_burial);
  refuse(locks !== 0, "a lock of the header is held");
  for (const pid of SETTLERS) {
    const expected = dead.has(pid) ? layout.PROCESSOR_FREE : layout.PROCESSOR_USER;
    refuse(
      machine.u32(recordOf(pid)) !== expected || machine.holds(pid),
      `processor ${pid}, who buried, is not at rest`,
    );
  }
  departed({ machine, plan, faulted });
  let asleep = 0;
  for (const { pid } of plan.actors) {
    const { status } = machine.coroutines[pid];
    if (status === ASLEEP) {
      asleep++;
      refuse(answered(machine, pid, 0), `processor ${pid} sleeps though its wait is over`);
      refuse(machine.naps(machine.coroutines[pid]), `processor ${pid} naps for ever`);
    }
    const state = machine.u32(recordOf(pid));
    if (pid === plan.condemned && state === layout.PROCESSOR_DEAD) continue;
    if (pid === plan.fresh && state === layout.PROCESSOR_FREE) continue; // it did not come to attach
    const expected = dead.has(pid)
      ? layout.PROCESSOR_FREE
      : status === ASLEEP
        ? layout.PROCESSOR_KERNEL
        : layout.PROCESSOR_USER;
    refuse(state !== expected, `processor ${pid} is in state ${state}, not ${expected}`);
    refuse(machine.holds(pid), `processor ${pid} holds a lock`);
    const owes = machine.u32(recordOf(pid) + layout.Processor_p_wake) !== 0;
    refuse(owes && dead.size === 0 && faulted.size === 0, `processor ${pid} owes a wake-up`);
  }
  if (plan.sleeps !== undefined && dead.size === 0 && faulted.size === 0)
    refuse(asleep > plan.sleeps, `${asleep} asleep`);
  const site = machine.trap(AUDITOR, "kernel_check");
  refuse(site !== 0, `kernel_check finds 0x${site.toString(16)}`);
}

/** Who is gone is buried and has left nothing; who is condemned is told so. */
function departed({ machine, plan, faulted }) {
  for (let pid = 1; pid < AUDITOR; pid++) {
    const state = machine.u32(recordOf(pid)) & 0xff;
    // Who got an exception, or was condemned, while he buried somebody does not come back to it: his host does.
    const away = faulted.size !== 0 || machine.u32(recordOf(plan.condemned ?? 0)) === layout.PROCESSOR_DEAD;
    const left = state === layout.PROCESSOR_RECOVERING || (state === layout.PROCESSOR_GONE && !away);
    refuse(left, `processor ${pid} is in state ${state}: nobody buries it`);
    const leaves = state === layout.PROCESSOR_FREE ? remains(machine, pid) : undefined;
    refuse(leaves !== undefined, leaves);
  }
  for (const { pid } of plan.actors) {
    const { program, results } = machine.coroutines[pid];
    results.forEach((result, at) => {
      const gone = program[at].condemns ?? (program[at].leaves ? pid : undefined);
      if (gone === undefined || machine.u32(recordOf(gone)) === layout.PROCESSOR_FREE) return;
      const leaves = result === codes.KERN_SUCCESS ? remains(machine, gone) : undefined;
      refuse(leaves !== undefined, leaves);
      if (program[at].leaves || ![codes.KERN_SUCCESS, codes.KERN_FAILURE].includes(result)) return;
      const stop = machine.u32(recordOf(gone) + layout.Processor_p_stop);
      refuse(stop !== generationOf(machine, gone), `processor ${gone} is not told to stop`);
    });
  }
}

/** Whether a waiter of the processor, of the kind, is done and committed. */
function answered(machine, pid, kind) {
  for (let at = firstOf(machine, layout.ZONE_WAITER), n = 0; at !== 0 && n < 12; at += 64, n++) {
    const word = at >>> 2;
    if (machine.words[word] !== 0x10000 || machine.words[word + layout.Waiter_w_pid / 4] !== pid) continue;
    if ((machine.words[word + layout.Waiter_w_kind / 4] & layout.WAITER_ASYNC) !== kind) continue;
    if (machine.words[word + layout.Waiter_w_state / 4] !== layout.WAITER_LINKED) return true;
  }
  return false;
}

/** First element of the zone's first slab, or 0. */
function firstOf(machine, zone) {
  const table = (layout.PROCESSORS + 8 * layout.PROCESSOR_SIZE) >>> 2;
  for (let frame = 0; frame < 448; frame++) {
    if (machine.words[table + frame] === ((zone << 4) | 2)) return (frame << 12) + 64;
  }
  return 0;
}

/** What the event loops have still to take; who has completions has heard of them. Returns: messages. */
function completed({ machine, plan, dead }) {
  const got = [];
  for (const { pid, task, name } of plan.loops ?? []) {
    const bell = machine.u32(recordOf(pid) + layout.Processor_p_bell);
    const { status, address } = machine.coroutines[pid];
    const deaf = status === ASLEEP && address === recordOf(pid) + layout.Processor_p_bell && bell !== layout.BELL_ARMED;
    refuse(deaf, `processor ${pid} sleeps beside its bell, which has rung`);
    if (dead.has(pid) || status === ASLEEP) continue;
    const heard = machine.u32(recordOf(pid) + layout.Processor_p_bell + HEARD) !== 0;
    const take = () => machine.trap(pid, "processor_drain", 8);
    for (let count = take(); count !== 0; count = take()) {
      for (const { code, kmsg, id, seqno } of completions(machine, pid, count)) {
        refuse(bell !== layout.BELL_RUNG || !heard, `processor ${pid} has completions and was not told`);
        if (kmsg !== 0) got.push({ id, seqno, by: pid });
        else if (code === codes.MACH_IPC_RETRY) got.push(...again(machine, pid, task, name));
      }
    }
    refuse(answered(machine, pid, layout.WAITER_ASYNC), `processor ${pid} never hears of a completion`);
  }
  return got;
}

/** An event loop whose set became ready receives again. */
function again(machine, pid, task, name) {
  const code = machine.trap(pid, "mach_msg_receive_async", task.handle, name, codes.MACH_RCV_MSG, 256, 0);
  if (code !== codes.MACH_MSG_SUCCESS) return [];
  return [{ id: machine.u32(machine.out(pid, 1) + 20), seqno: machine.out(pid, 3) & 0xfff, by: pid }];
}

/** The names of an array that the auditor has received in a task, which is freed. */
function arrayed(machine, { handle, self }, array, count) {
  if (array === 0) return [];
  const kmsg = machine.trap(AUDITOR, "mach_msg_prepare", handle, Math.max(count * 4, 24), 0);
  const at = machine.out(AUDITOR, 0);
  const code = machine.trap(AUDITOR, "vm_read_overwrite", handle, self, array, count * 4, kmsg);
  refuse(code !== codes.KERN_SUCCESS, `an array is none: ${codes.codeName(code)}`);
  const names = Array.from({ length: count }, (_, n) => machine.u32(at + n * 4));
  machine.trap(AUDITOR, "mach_msg_release", kmsg);
  machine.trap(AUDITOR, "vm_deallocate", handle, self, array, count * 4);
  return names;
}

/** Names of the receive rights that a message has brought. */
function receiveRights(machine, task, at) {
  const names = [];
  if ((machine.u32(at) & codes.MACH_MSGH_BITS_COMPLEX) === 0) return names;
  for (let index = 0; index < machine.u32(at + 24); index++) {
    const [name, shape] = [machine.u32(at + 28 + index * 12), machine.u32(at + 36 + index * 12)];
    const isArray = shape >>> 24 === codes.MACH_MSG_OOL_PORTS_DESCRIPTOR;
    const found = isArray ? arrayed(machine, task, name, machine.u32(at + 32 + index * 12)) : [name];
    if (((shape >>> 16) & 0xff) === codes.MACH_MSG_TYPE_PORT_RECEIVE) names.push(...found);
  }
  return names;
}

/** Every message was received, is queued, or was destroyed by a rule. Empties the queues, also of ports that come in messages. */
function messages({ machine, world, plan, dead, lost }, got) {
  for (const { pid } of plan.actors) {
    const { program, results } = machine.coroutines[pid];
    results.forEach((result, at) => {
      if (program[at]?.receives && received(result)) got.push({ id: idOf(result), seqno: seqnoOf(result), by: pid });
    });
  }
  const queued = [];
  let closed = 0;
  const ports = [...world.ports];
  for (const port of ports) {
    for (;;) {
      const args = [port.task.handle, 0, codes.MACH_RCV_MSG | codes.MACH_RCV_TIMEOUT, 0, 256, port.name, 0, 0];
      const code = machine.trap(AUDITOR, "mach_msg_trap", ...args);
      const kmsg = machine.out(AUDITOR, 0);
      if (kmsg === 0) {
        if (code === codes.MACH_RCV_TIMED_OUT) break;
        const orphan = port.task.pids.every((pid) => dead.has(pid) || pid === plan.condemned);
        refuse(!orphan && !plan.destroys && !plan.moves, `a port is gone: ${codes.codeName(code)}`);
        if (orphan || plan.destroys || lost.size !== 0) closed++; // its right may have been in a lost message
        break;
      }
      const at = machine.out(AUDITOR, 1);
      const before = queued.at(-1);
      const seqno = machine.out(AUDITOR, 3) & 0xfff;
      refuse(before?.port === port && before.seqno >= seqno, `number ${seqno} comes after ${before?.seqno}`);
      queued.push({ id: machine.u32(at + 20), seqno, port });
      for (const name of receiveRights(machine, port.task, at)) ports.push({ task: port.task, name });
      machine.trap(AUDITOR, "mach_msg_release", kmsg);
    }
  }
  const seen = new Map();
  for (const each of [...got, ...queued]) {
    refuse(seen.has(each.id) && each.id !== 0, `message ${each.id} came twice`);
    seen.set(each.id, each);
  }
  let missing = 0;
  // What a condemned processor had when it ended, it took along.
  const condemned = plan.actors.find(({ pid }) => pid === plan.condemned);
  let spared = condemned?.program.filter((operation) => operation.receives).length ?? 0;
  for (const message of world.messages) {
    const coroutine = machine.coroutines[message.sender];
    const at = coroutine.program.findIndex((operation) => operation.sends === message);
    const code = message.sent ? 0 : coroutine.results[at];
    const known = code !== undefined && (code === 0 || !received(code));
    if (known && code >= 0x10000002 && code <= 0x10000010)
      refuse(seen.has(message.id), `message ${message.id} was refused and came`);
    const pending = code === codes.MACH_SEND_IN_PROGRESS && !dead.has(message.sender);
    const sent = message.sent || code === 0 || pending || (code !== undefined && received(code));
    if (!sent || seen.has(message.id)) continue;
    missing++;
    if (closed !== 0 || plan.unaccounted || lost.has(message.id)) continue;
    refuse(spared-- === 0, `message ${message.id} is lost`);
  }
  return { got, queued, missing, closed };
}
