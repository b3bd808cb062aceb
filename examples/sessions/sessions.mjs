// A server's state per client, freed when the client is gone: one port per client, and no-senders tells.
//
// The race: a client gives its right up, the notification is on its way, and the server hands out another right to the same
// session. Freed on that notification, the session would be gone under a client that has just got it. So the server counts the
// rights that it hands out, and the notification says how many had been made when it was sent: fewer, and it is out of date.
// Another one comes when the newer rights are gone too.

/** Sessions of one task, by name; `ended` is called once for each, with its name and state. */
export class Sessions {
  #task;
  #ended;
  #byName = new Map();
  #byPort = new Map();

  constructor(task, ended) {
    this.#task = task;
    this.#ended = ended;
  }

  get size() {
    return this.#byName.size;
  }

  /** A new send right to the client's session, which begins with `begin(port)` as its state. Give it away with `move`. */
  open(name, begin) {
    const session = this.#byName.get(name) ?? this.#begin(name, begin);
    // Made here and counted here. If the client is dead already, the right dies with the reply, and that is told as well.
    session.handedOut++;
    return session.port.makeSend();
  }

  /** The state of the session that a message came to. */
  stateOf(port) {
    return this.#byPort.get(port)?.state;
  }

  #begin(name, begin) {
    const port = this.#task.allocatePort();
    const session = { name, port, state: begin(port), handedOut: 0 };
    this.#byName.set(name, session);
    this.#byPort.set(port, session);
    port.onNoSenders(
      ({ makeSendCount }) => {
        if (makeSendCount >= session.handedOut) this.#free(session);
      },
      { since: 1 }, // not before the first right was made
    );
    return session;
  }

  /** Nobody can send here any more, and nothing is in the queue: a message in it would have held a right. */
  #free(session) {
    this.#byName.delete(session.name);
    this.#byPort.delete(session.port);
    session.port[Symbol.dispose]();
    this.#ended(session.name, session.state);
  }
}
