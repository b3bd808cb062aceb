// Every limit of the system: value, unit, reason. Addresses are in memory_map.ts. The model build is small, so that its states
// can be enumerated.

/** Version of the layout of shared memory; attaching refuses any other. */
export const LAYOUT_VERSION: u32 = 2;
/** First word of the header: "MACH" in ASCII, little endian. */
export const HEADER_MAGIC: u32 = 0x4843414d;

/** Processor records; number 0 is nobody. A JavaScript agent takes one. */
export const PROCESSOR_MAX: u32 = isDefined(KERN_MODEL) ? 8 : 256;
/** Words that one transaction may change. The longest (a right copied out into a grown table) needs some 30. */
export const JOURNAL_MAX: u32 = 96;
/** Ranks of locks: a processor holds one of each at the most. */
export const LOCK_RANKS: u32 = 7;
/** Words of a batch: 128 received messages of 8 words, or 256 completions of 4. */
export const BATCH_WORDS: u32 = 1024;
export const RECEIVE_MANY_MAX: u32 = 128;
export const SEND_MANY_MAX: u32 = 256;
export const DRAIN_MAX: u32 = 256;

/** Bytes of a page frame. */
export const FRAME_BYTES: u32 = 4096;
/** Frames of a slab, the unit in which a zone grows. 64 KiB, so that an element's slab is an `and` away. */
export const SLAB_FRAMES: u32 = 16;
export const SLAB_BYTES: u32 = 65536;
/** WebAssembly pages by which memory grows at least: 1 MiB. */
export const GROW_PAGES: u32 = 16;

/** Elements that a processor's magazine holds at the most; half go back when it is full. */
export const MAGAZINE_MAX: u32 = isDefined(KERN_MODEL) ? 4 : 64;
/** Elements that an empty magazine takes from its zone at once. */
export const MAGAZINE_BATCH: u32 = isDefined(KERN_MODEL) ? 2 : 32;
/** Elements of a slab at the most: few where every state of them is visited. */
export const SLAB_ELEMENTS_MAX: u32 = isDefined(KERN_MODEL) ? 12 : 0xffffffff;

/** Second-level directories of a space: 16 x 1024 chunks x 256 entries = 4 M names. */
export const SPACE_DIRS: u32 = 16;
export const SPACE_ENTRIES_MAX: u32 = 4194304;
/** Slots of the free list that one allocation passes over: three words of the undo log each. */
export const ENTRY_SKIPS_MAX: u32 = 8;
/** Slots of the smallest reverse hash: one frame. */
export const HASH_SLOTS_MIN: u32 = isDefined(KERN_MODEL) ? 8 : 1024;

/** Turns of a lock's spin before it looks at the owner and naps. A section is some 100 turns long. */
export const LOCK_SPIN_MAX: u32 = isDefined(KERN_MODEL) ? 1 : 400;
/** Nanoseconds of a nap on a lock; nobody rings when it is free, so it is short. */
export const LOCK_NAP_NS: i64 = 50000;
/** Nanoseconds that a waiter sleeps at the most before it looks at its stop word. */
export const SLEEP_SLICE_NS: i64 = 100000000;
/** Turns of a receiver's spin between two looks at the list, which others fill more rarely than the inbox. */
export const SPIN_CHUNK: u32 = 64;

/** Pages around a first touch that get frames together, if there are frames for all. */
export const VM_CLUSTER: u32 = isDefined(KERN_MODEL) ? 1 : 16;
/** Times that a compaction begins, as long as others write what it copies. */
export const VM_COMPACT_TRIES: u32 = 8;
