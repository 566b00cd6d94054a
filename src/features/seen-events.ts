/**
 * The events that rows from one on may see, from the newest one on: those with its time, which such a row may be too
 * early for, and as many as a row has before them.
 */
export class SeenEvents {
  #left: number;
  #newestTime: number | undefined;
  #isNewest = true;

  constructor(last: number) {
    this.#left = last;
  }

  /** Returns whether the next older event is one of them. */
  takes(time: number): boolean {
    this.#newestTime ??= time;
    this.#isNewest &&= time === this.#newestTime;
    return this.#isNewest || this.#left-- > 0;
  }
}
