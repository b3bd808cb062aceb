// A task's view of the naming service: services by name, rights and never numbers.

import { KERN_NOT_FOUND, TASK_BOOTSTRAP_PORT } from "../abi/codes.gen.js";
import { check, KernError } from "../errors.js";
import { connect } from "../mig/client.js";
import type { Client, Handlers, Subsystem } from "../mig/define.js";
import { serve, type ServeOptions, type Server } from "../mig/server.js";
import type { ReceiveRight } from "../receive-right.js";
import { type OutgoingRight, SendRight } from "../right.js";
import { Space, type SpaceOwner } from "../space.js";
import { timeoutOf, type Wait } from "../wait.js";
import { bootstrapSubsystem, type BootstrapRoutines, NAME_BYTES } from "./bootstrap.defs.js";

/** How a service is checked in. */
export interface CheckInOptions {
  /**
   * The port outlives its server: when that dies the naming service takes the receive right back,
   * messages queue, and the next one to check in goes on with them.
   */
  readonly persistent?: boolean | undefined;
}

/** The naming service, as one task uses it. */
export class Bootstrap {
  readonly #task: SpaceOwner;
  #client: Client<BootstrapRoutines> | null = null;

  /** @internal */
  constructor(task: SpaceOwner) {
    this.#task = task;
  }

  /**
   * Checks in as `name` and serves `subsystem` there.
   *
   * @throws KernError BOOTSTRAP_SERVICE_ACTIVE: somebody serves that name.
   */
  async serve<S>(
    subsystem: Subsystem<S>,
    name: string,
    handlers: Handlers<S>,
    options?: CheckInOptions & ServeOptions,
  ): Promise<Server> {
    const receive = await this.checkIn(name, options);
    try {
      return serve(receive, subsystem, handlers, options);
    } catch (error) {
      receive[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Finds a service: its client, when its interface is given, else a send right. Waits until somebody
   * checks in; a timeout of 0 asks once.
   *
   * @throws KernError BOOTSTRAP_UNKNOWN_SERVICE: not there, and the timeout was 0.
   *   MachMsgError MACH_RCV_TIMED_OUT: not there in time.
   * @mach bootstrap_look_up
   */
  lookUp<S>(subsystem: Subsystem<S>, name: string, wait?: Wait): Promise<Client<S>>;
  lookUp(name: string, wait?: Wait): Promise<SendRight>;
  async lookUp<S>(first: Subsystem<S> | string, second?: string | Wait, third?: Wait): Promise<Client<S> | SendRight> {
    if (typeof first === "string") return this.#lookUp(first, second as Wait | undefined);
    if (typeof first !== "object" || first === null)
      throw new TypeError("lookUp: expected a name, or an interface and a name");
    return connect(first, await this.#lookUp(second as string, third));
  }

  /**
   * Takes the receive right of the service `name`.
   *
   * @throws KernError BOOTSTRAP_SERVICE_ACTIVE: somebody has it.
   * @mach bootstrap_check_in
   */
  async checkIn(name: string, options?: CheckInOptions): Promise<ReceiveRight> {
    checkName(name);
    const persistent = options?.persistent ?? false;
    const { receive } = await this.#service().check_in({ name, persistent });
    return receive;
  }

  /**
   * Makes `right` known as `name`.
   *
   * @throws KernError BOOTSTRAP_NAME_IN_USE; KERN_INVALID_CAPABILITY: its port is dead.
   * @mach bootstrap_register
   */
  async register(name: string, right: OutgoingRight): Promise<void> {
    checkName(name);
    await this.#service().register({ name, right });
  }

  /**
   * Makes the name unknown; those who looked it up keep their rights.
   *
   * @throws KernError BOOTSTRAP_UNKNOWN_SERVICE
   */
  async unregister(name: string): Promise<void> {
    checkName(name);
    await this.#service().unregister({ name });
  }

  /** The names of all services, sorted. */
  async list(): Promise<string[]> {
    const service = this.#service();
    const names: string[] = [];
    for (let after = ""; ; ) {
      const { name } = await service.next({ after });
      if (name === "") return names;
      names.push(name);
      after = name;
    }
  }

  async #lookUp(name: string, wait?: Wait): Promise<SendRight> {
    checkName(name);
    const poll = timeoutOf(wait) === 0;
    const bound: Wait | undefined = poll ? { signal: wait?.signal } : wait;
    const { right } = await this.#service().look_up({ name, wait: !poll }, bound);
    return right;
  }

  #service(): Client<BootstrapRoutines> {
    if (this.#client === null) {
      const space = Space.of(this.#task);
      const { core, handle, self } = space;
      check("task_get_special_port", core.task_get_special_port(handle, self, TASK_BOOTSTRAP_PORT));
      const port = space.processor.out(0);
      if (port === 0) throw new KernError("task_get_special_port", KERN_NOT_FOUND, "this task has no naming service");
      this.#client = connect(bootstrapSubsystem, new SendRight(space, port));
    }
    return this.#client;
  }
}

function checkName(name: string): void {
  if (typeof name !== "string" || name === "") {
    throw new TypeError(`name: expected a service's name, up to ${NAME_BYTES} bytes of UTF-8`);
  }
}
