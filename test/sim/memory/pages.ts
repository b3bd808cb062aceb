// The memory test's idea of an address space: for each mapped page its bytes and its attributes, and nothing shared but what
// tasks share on purpose. Every copy is made at once.

export const PAGE = 4096;
/** Pages of an address space: the first and the last are never mapped. */
export const FIRST = 1;
export const LAST = 0xfffff;

const ZERO = new Uint8Array(PAGE);

/** The bytes of a page, which several maps and leases may have. */
export class Page {
  bytes = ZERO;
  /** Writes so far. */
  version = 0;

  write(offset: number, data: Uint8Array): void {
    if (data.length === 0) return;
    if (this.bytes === ZERO) this.bytes = new Uint8Array(PAGE);
    this.bytes.set(data, offset);
    this.version++;
  }

  copy(): Page {
    const page = new Page();
    page.bytes = this.bytes === ZERO ? ZERO : this.bytes.slice();
    return page;
  }
}

export interface Attributes {
  prot: number;
  max: number;
  inherit: number;
  shared: boolean;
}

export interface Slot extends Attributes {
  page: Page;
}

/** What new memory has: read and write, of all that there is, copied to children. */
export const FRESH: Attributes = { prot: 3, max: 7, inherit: 1, shared: false };

/** Pages from `start` to `end`, exclusive. */
export interface Span {
  start: number;
  end: number;
}

/** The pages that a range touches; null when it goes on behind the last page, or wraps. */
export function spanOf(address: number, size: number): Span | null {
  const end = Math.ceil((address + size) / PAGE);
  return end > LAST ? null : { start: Math.floor(address / PAGE), end };
}

export function pagesIn({ start, end }: Span): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
}

const same = (one: Attributes, other: Attributes) =>
  one.prot === other.prot && one.max === other.max && one.inherit === other.inherit && one.shared === other.shared;

/** The page before and behind the window: memory that nobody may touch. */
const WALL: Slot = { page: new Page(), prot: 0, max: 0, inherit: 1, shared: false };

/** An address space of which all is taken but a window, so that it is soon full. */
export class AddressMap {
  readonly window: Span;
  readonly slots = new Map<number, Slot>();

  constructor(window: Span) {
    this.window = window;
  }

  at(page: number): Slot | undefined {
    if (page < FIRST || page >= LAST) return undefined;
    return page < this.window.start || page >= this.window.end ? WALL : this.slots.get(page);
  }

  /** Numbers of the mapped pages of the window, in order. */
  get mapped(): number[] {
    return [...this.slots.keys()].sort((one, other) => one - other);
  }

  isFree(span: Span): boolean {
    return pagesIn(span).every((page) => page >= FIRST && page < LAST && !this.at(page));
  }

  /** Whether so many pages find room, from a multiple of `align` pages on. */
  hasGap(count: number, align = 1): boolean {
    for (let start = this.window.start; start + count <= this.window.end; start++) {
      if (start % align === 0 && this.isFree({ start, end: start + count })) return true;
    }
    return false;
  }

  put(start: number, pages: readonly Page[], attributes: Attributes): void {
    const { prot, max, inherit, shared } = attributes;
    for (const [index, page] of pages.entries()) this.slots.set(start + index, { page, prot, max, inherit, shared });
  }

  remove(span: Span): void {
    for (const page of pagesIn(span)) this.slots.delete(page);
  }

  /** The slots of a range whose pages are all mapped, or null. */
  whole(span: Span): Slot[] | null {
    const slots = pagesIn(span).map((page) => this.at(page));
    return slots.every((slot) => slot !== undefined) ? slots : null;
  }

  read(address: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    eachPart(address, size, (page, offset, from, length) => {
      const slot = this.at(page);
      if (slot) bytes.set(slot.page.bytes.subarray(offset, offset + length), from);
    });
    return bytes;
  }

  write(address: number, data: Uint8Array): void {
    eachPart(address, data.length, (page, offset, from, length) => {
      this.at(page)?.page.write(offset, data.subarray(from, from + length));
    });
  }

  /** The region that holds a page, or the next: pages in a row that differ in nothing. */
  region(from: number): (Span & Attributes) | null {
    let first = Math.max(from, FIRST);
    while (first < LAST && !this.at(first)) first++;
    const slot = this.at(first);
    if (!slot) return null;
    const like = (page: number) => {
      const other = this.at(page);
      return other !== undefined && same(other, slot);
    };
    let [start, end] = [first, first + 1];
    while (like(start - 1)) start = this.#jump(start - 1, -1);
    while (like(end)) end = this.#jump(end, 1) + 1;
    const { prot, max, inherit, shared } = slot;
    return { start, end, prot, max, inherit, shared };
  }

  /** The far end of the wall that a page is in, or the page. */
  #jump(page: number, direction: 1 | -1): number {
    const { start, end } = this.window;
    if (direction < 0) return page >= end ? end : page < start ? FIRST : page;
    return page < start ? start - 1 : page >= end ? LAST - 1 : page;
  }
}

/** The parts of a range page by page: the page, the offset in it, the offset in the range, and how many bytes. */
export function eachPart(
  address: number,
  size: number,
  visit: (page: number, offset: number, from: number, length: number) => void,
): void {
  for (let from = 0; from < size; ) {
    const offset = (address + from) % PAGE;
    const length = Math.min(PAGE - offset, size - from);
    visit(Math.floor((address + from) / PAGE), offset, from, length);
    from += length;
  }
}

/** Pages for bytes that begin at `address`: zero before and behind them. */
export function pagesFor(address: number, bytes: Uint8Array): Page[] {
  const first = Math.floor(address / PAGE);
  const pages: Page[] = [];
  eachPart(address, bytes.length, (page, offset, from, length) => {
    if (page - first === pages.length) pages.push(new Page());
    pages[page - first]?.write(offset, bytes.subarray(from, from + length));
  });
  return pages;
}
