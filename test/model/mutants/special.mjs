// Mutants that no rule makes: one statement in the place of another, by file, function and text.

const S = (file, name, text, swap, group) => ({ file, name, text, swap, class: group });

export const special = [
  // Arming and looking.
  S("ipc/ipc_mqueue_wait.ts", "imq_wait_receive", "imq_arm(port);", "", "kicks"),
  S("ipc/ipc_pset.ts", "ipc_pset_add", "if (!imq_peek(port)) imq_arm(port);", "", "kicks"),
  S("ipc/ipc_pset.ts", "ipc_pset_rotate", "if (!kmsg) imq_arm(port);", "", "kicks"),
  S(
    "ipc/ipc_mqueue_wait.ts",
    "imq_wait_send",
    "if (low & IMQ_BLOCKED || pair_cas(inbox_at, box, box | IMQ_BLOCKED) == box) break;",
    "break;",
    "kicks",
  ),
];
