// What mortal.mjs and mortal-attached.mjs serve.

/** The handlers of Mortal for `task`. */
export function mortal(task) {
  const never = new Promise(() => {});
  return {
    ping: ({ n }) => ({ n: n + 1 }),
    exit: () => process.exit(3),
    fail: () => {
      setImmediate(() => {
        throw new Error("on purpose");
      });
      return never;
    },
    hang: () => never,
    loop: () => {
      for (;;);
    },
    block: () => {
      task.allocatePort().receiveSync();
      return never;
    },
    exitLater: ({ ms }) => {
      setTimeout(() => process.exit(3), ms);
    },
  };
}
