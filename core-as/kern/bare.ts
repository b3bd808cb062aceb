// What a kernel without the discipline of crashes leaves out, to see what that costs (bench/discipline.mjs, ADR 10). Such a kernel
// is built by the bench alone, with --use KERN_BARE=<sum of parts>, and is right as long as nobody dies and nothing is refused late
// (journal_abort); in all other builds these are false and what they guard is compiled as if they were not there.

const parts: u32 = isDefined(KERN_BARE) ? KERN_BARE : 0;

/** No undo log: a journalled store is a store. */
export const BARE_JOURNAL: bool = (parts & 1) != 0;
/** No notes of locks; a notify is not owed until the last is released. */
export const BARE_HELD: bool = (parts & 2) != 0;
/** No state word, and no look at the stop word, at the door. */
export const BARE_STATE: bool = (parts & 4) != 0;
/** No owner words but those that allocation and the checks of arguments read. */
export const BARE_OWNER: bool = (parts & 8) != 0;
