/** Maximum time of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Saves what was trained on while no batch arrives. */
export interface QuietSaves {
  /** Returns the time until `now` has to be called if no batch arrives; undefined if nothing is unsaved. */
  dueInMs(): number | undefined;
  now(): Promise<void>;
}

/**
 * Yields the batches of a stream. If a checkpoint is due before the next batch arrives, it is saved first: the state is
 * that after the last batch, since a batch changes nothing before it is yielded.
 * @param read reads the batches; its signal ends a wait for one, and its reason is thrown
 */
export async function* saveWhileWaiting<Read>(
  read: (signal: AbortSignal) => AsyncIterable<Read>,
  saves: QuietSaves,
  signal: AbortSignal,
): AsyncGenerator<Read> {
  const failure = new AbortController();
  const reads = read(AbortSignal.any([signal, failure.signal]))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = reads.next();
      try {
        while (!(await settlesWithin(next, saves.dueInMs()))) await saves.now();
      } catch (error) {
        failure.abort(error);
        await next;
        throw error;
      }
      const result = await next;
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    await reads.return?.();
  }
}

/** Waits for a promise, but at most for `ms`; returns whether it was fulfilled by then. */
async function settlesWithin(promise: Promise<unknown>, ms = Infinity): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    if (ms !== Infinity) timer = setTimeout(resolve, Math.min(Math.max(1, Math.ceil(ms)), MAX_TIMEOUT_MS), false);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
