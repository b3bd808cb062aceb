// One recorded operation done by our kernel: what a task did to the other it does by that one's port.

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

export class Performer {
  readonly tasks: Tasks;
  readonly names: Names;
  ended = false;
  /** The other task as each sees it. */
  readonly #others: Tasks;

  constructor(tasks: Tasks, names: Names) {
    this.tasks = tasks;
    this.names = names;
    const { A, B } = tasks;
    const { MACH_MSG_TYPE_COPY_SEND } = codes;
    this.#others = {
      A: A.on(give(B, B.self, MACH_MSG_TYPE_COPY_SEND, A)),
      B: B.on(give(A, A.self, MACH_MSG_TYPE_COPY_SEND, B)),
    };
  }

  perform(operation: Operation): Answer {
    const { op, by, args } = operation;
    const space = args.task === undefined || args.task === by ? this.tasks[by] : this.#others[by];
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
        return code(space.traps.task_terminate(space.self));
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

  #insertRight({ args }: Operation, space: Space): Answer {
    const name = this.names.choose(args.name ?? "null");
    return { kr: space.insertRight(name, this.names.raw(args.poly ?? "null"), args.disp ?? 0), out: {} };
  }

  #request({ args }: Operation, space: Space): Answer {
    const { sync = 0, disp: disposition = 0 } = args;
    // Send-possible is XNU's alone: GNU Mach knows 66 as little as 67.
    const msgid = args.msgid === codes.MACH_NOTIFY_SEND_POSSIBLE ? 67 : (args.msgid ?? 0);
    const [name, notify] = [this.names.raw(args.name ?? "null"), this.names.raw(args.notify ?? "null")];
    const { code: kr, previous } = space.request(name, msgid, notify, { sync, disposition });
    return { kr, out: kr === 0 ? { previous } : {} };
  }

  #extractRight({ args }: Operation, space: Space): Answer {
    const { code: kr, name: poly, type } = extractRight(space, this.names.raw(args.name ?? "null"), args.disp ?? 0);
    return { kr, out: kr === 0 ? { poly, disp: type } : {} };
  }

  #rename({ args }: Operation, space: Space): Answer {
    const [from, to] = [args.old ?? "null", args.new ?? "null"];
    const kr = rename(space, this.names.raw(from), this.names.choose(to));
    if (kr === 0) this.names.forget(from);
    return { kr, out: {} };
  }
}
