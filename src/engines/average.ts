/**
 * Returns the words per table row that the EMA of its weights takes: the elements and the number of steps that it
 * covers.
 */
export function averageWords(width: number): number {
  return width + 1;
}

/** Exchanges weights and their EMA for the duration of `work`. */
export async function exchanged<Result>(
  exchange: () => void | Promise<void>,
  work: () => Promise<Result>,
): Promise<Result> {
  await exchange();
  try {
    return await work();
  } finally {
    await exchange();
  }
}
