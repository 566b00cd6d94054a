/** Words that the average of a table's row takes: its numbers, and the steps that it covers. */
export function averageWords(width: number): number {
  return width + 1;
}

/** Exchanges weights and their average while some work is done. */
export async function exchanged<Result>(exchange: () => void, work: () => Promise<Result>): Promise<Result> {
  exchange();
  try {
    return await work();
  } finally {
    exchange();
  }
}
