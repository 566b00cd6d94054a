/** A sample that waits for its time. */
export interface DueSample {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Order of samples with the same time. */
  readonly sequence: number;
  /** Number of its row, in the order in which rows were added. */
  readonly row: number;
  /** Index among the samples of its row. */
  readonly index: number;
}

/** Samples by time, the earliest first; of those with the same time, the first that was added. */
export class SampleHeap {
  readonly #samples: DueSample[] = [];

  get size(): number {
    return this.#samples.length;
  }

  /** Returns the earliest sample; undefined if there is none. */
  peek(): DueSample | undefined {
    return this.#samples[0];
  }

  push(sample: DueSample): void {
    const heap = this.#samples;
    let place = heap.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (isBefore(heap[above]!, sample)) break;
      heap[place] = heap[above]!;
      place = above;
    }
    heap[place] = sample;
  }

  /** Removes the earliest sample and returns it; undefined if there is none. */
  pop(): DueSample | undefined {
    const heap = this.#samples;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (isBefore(last, heap[below]!)) break;
      heap[place] = heap[below]!;
      place = below;
    }
    heap[place] = last;
    return first;
  }

  /** Lists all samples, for a checkpoint: pushed in this order, they give a heap that pops the same samples. */
  list(): readonly DueSample[] {
    return [...this.#samples];
  }
}

function isBefore(a: DueSample, b: DueSample): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence);
}
