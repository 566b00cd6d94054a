/** Numbers the keys that events refer to. A key without events is forgotten, and its number is used again. */
export class KeyTable {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];
  #textBytes = 0;

  /** Exclusive upper bound of all ids. */
  get size(): number {
    return this.#texts.length;
  }

  /** Estimated memory in bytes. */
  get bytes(): number {
    return this.#textBytes + 64 * this.#ids.size;
  }

  /** Returns the id of a key; undefined if it has no events. */
  find(text: string): number | undefined {
    return this.#ids.get(text);
  }

  /** Returns the id of a key, which is added if it has no events. */
  add(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#free.pop() ?? this.#texts.length;
    this.#ids.set(text, id);
    this.#texts[id] = text;
    this.#uses[id] = 0;
    this.#textBytes += text.length;
    return id;
  }

  /** Notes one more event of a key. */
  use(id: number): void {
    this.#uses[id]!++;
  }

  /** Notes one event less of a key. */
  release(id: number): void {
    if (--this.#uses[id]! > 0) return;
    const text = this.#texts[id]!;
    this.#ids.delete(text);
    this.#textBytes -= text.length;
    this.#texts[id] = '';
    this.#free.push(id);
  }

  /** Returns the text of a key with events. */
  textOf(id: number): string {
    return this.#texts[id]!;
  }
}
