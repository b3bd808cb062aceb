// One recorded operation done by our kernel. The calls act on one's own task alone, so what a task did to the other is done by that one
// itself, with the rights handed over first (task_insert_right).

import * as codes from "../../host-ts/abi/codes.gen.ts";
import { extractRight, rename } from "../lib/calls.js";
import { give, type Space } from "../lib/space.js";
import { type Answer, receive, send } from "./messages.js";
import type { Names } from "./names.js";
import type { Operation } from "./recorded.js";

export interface Tasks {
  readonly A: Space;
  readonly B: Space;
}

const { MACH_MSG_TYPE_MOVE_RECEIVE, MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE } = codes;

/** What a disposition makes of a right. */
function received(disposition: number): number {
  if (disposition === MACH_MSG_TYPE_MOVE_RECEIVE) return MACH_MSG_TYPE_MOVE_RECEIVE;
  const once = disposition === MACH_MSG_TYPE_MOVE_SEND_ONCE || disposition === codes.MACH_MSG_TYPE_MAKE_SEND_ONCE;
  return once ? MACH_MSG_TYPE_MOVE_SEND_ONCE : MACH_MSG_TYPE_MOVE_SEND;
}

/** Hands a right over. Returns: its name there (MACH_PORT_DEAD: it is dead), or the code. */
function carry(from: Space, name: number, disposition: number, to: Space): { code: number; name: number } {
  const code = from.core.task_insert_right(from.handle, name, disposition, to.handle);
  return { code, name: code === 0 ? from.task.processor.out(0) : 0 };
}

export class Performer {
  readonly tasks: Tasks;
  readonly names: Names;
  ended = false;

  constructor(tasks: Tasks, names: Names) {
    this.tasks = tasks;
    this.names = names;
  }

  perform(operation: Operation): Answer {
    const { op, by, args } = operation;
    const target = args.task ?? by;
    const space = this.tasks[target];
    const raw = (label: string | undefined) => this.names.raw(label ?? "null");
    const code = (kr: number, out: Record<string, unknown> = {}): Answer => ({ kr, out: kr === 0 ? out : {} });
    switch (op) {
      case "mach_port_allocate": {
        const { code: kr, name } = space.tryAllocate(args.right ?? 0);
        return code(kr, { name });
      }
      case "mach_port_allocate_name":
        return code(space.allocateName(args.right ?? 0, this.names.choose(args.name ?? "null")));
      case "mach_port_deallocate":
        return code(space.deallocate(raw(args.name)));
      case "mach_port_destroy":
        return code(space.destroy(raw(args.name)));
      case "mach_port_mod_refs":
        return code(space.modRefs(raw(args.name), args.right ?? 0, args.delta ?? 0));
      case "mach_port_get_refs": {
        const { code: kr, refs } = space.getRefs(raw(args.name), args.right ?? 0);
        return code(kr, { refs });
      }
      case "mach_port_type": {
        const { code: kr, type } = space.getType(raw(args.name));
        return code(kr, { type });
      }
      case "mach_port_names":
        return code(0, { names: space.names() });
      case "mach_port_set_qlimit":
        return code(space.setQlimit(raw(args.name), args.qlimit ?? 0));
      case "mach_port_set_mscount":
        return code(space.setMscount(raw(args.name), args.mscount ?? 0));
      case "mach_port_set_seqno":
        return code(space.setSeqno(raw(args.name), args.seqno ?? 0));
      case "mach_port_move_member":
        return code(space.moveMember(raw(args.member), raw(args.after)));
      case "mach_port_get_set_status": {
        const { code: kr, members } = space.getMembers(raw(args.name));
        return code(kr, { members });
      }
      case "mach_port_get_receive_status":
        return this.#status(space, raw(args.name));
      case "mach_port_insert_right":
        return this.#insertRight(operation, space);
      case "mach_port_request_notification":
        return this.#request(operation, space);
      case "mach_port_extract_right":
        return this.#extractRight(operation, space);
      case "mach_port_rename":
        return this.#rename(operation, space);
      case "task_terminate":
        this.ended = true;
        space.task[Symbol.dispose]();
        return code(0);
      case "mach_msg_send":
        return send(space, args, this.names, operation.out.returned);
      case "mach_msg_receive":
        return receive(space, raw(args.name), args, operation.out);
      default:
        throw new Error(`the recording has an operation of another kind: ${op}`);
    }
  }

  #status(space: Space, name: number): Answer {
    const info = new Uint32Array(9);
    const kr = space.traps.mach_port_get_receive_status(space.self, name, info);
    const [pset, seqno, mscount, qlimit, msgcount, sorights, srights, pdrequest, nsrequest] = info;
    return {
      kr,
      out: kr === 0 ? { pset, seqno, mscount, qlimit, msgcount, sorights, srights, pdrequest, nsrequest } : {},
    };
  }

  #insertRight({ by, args }: Operation, space: Space): Answer {
    const name = this.names.choose(args.name ?? "null");
    const poly = this.names.raw(args.poly ?? "null");
    const disposition = args.disp ?? 0;
    if (space === this.tasks[by]) return { kr: space.insertRight(name, poly, disposition), out: {} };
    if (poly === 0 || poly === codes.MACH_PORT_DEAD) return { kr: space.insertRight(name, poly, disposition), out: {} };
    const brought = carry(this.tasks[by], poly, disposition, space);
    if (brought.code !== 0) return { kr: brought.code, out: {} };
    const type = received(disposition);
    return { kr: brought.name === name ? 0 : space.insertRight(name, brought.name, type), out: {} };
  }

  #request({ by, args }: Operation, space: Space): Answer {
    const name = this.names.raw(args.name ?? "null");
    const caller = this.tasks[by];
    const { msgid = 0, sync = 0, disp: disposition = 0 } = args;
    const notify = this.names.raw(args.notify ?? "null");
    if (space === caller) {
      const { code: kr, previous } = space.request(name, msgid, notify, { sync, disposition });
      return { kr, out: kr === 0 ? { previous } : {} };
    }
    const carried = notify !== 0 && notify !== codes.MACH_PORT_DEAD;
    const brought = carried ? carry(caller, notify, disposition, space) : { code: 0, name: notify };
    if (brought.code !== 0) return { kr: brought.code, out: {} };
    const moved = MACH_MSG_TYPE_MOVE_SEND_ONCE;
    const { code: kr, previous } = space.request(name, msgid, brought.name, { sync, disposition: moved });
    if (kr !== 0) return { kr, out: {} };
    return { kr, out: { previous: previous === 0 ? 0 : give(space, previous, moved, caller) } };
  }

  /** The right is handed over as if it had been sent (A69). */
  #extractRight({ by, args }: Operation, space: Space): Answer {
    const disposition = args.disp ?? 0;
    if (space === this.tasks[by]) {
      const { code: kr, name: poly, type } = extractRight(space, this.names.raw(args.name ?? "null"), disposition);
      return { kr, out: kr === 0 ? { poly, disp: type } : {} };
    }
    const { code, name } = carry(space, this.names.raw(args.name ?? "null"), disposition, this.tasks[by]);
    return { kr: code, out: code === 0 ? { poly: name, disp: received(disposition) } : {} };
  }

  #rename({ args }: Operation, space: Space): Answer {
    const [from, to] = [args.old ?? "null", args.new ?? "null"];
    const kr = rename(space, this.names.raw(from), this.names.choose(to));
    if (kr === 0) this.names.forget(from);
    return { kr, out: {} };
  }
}
