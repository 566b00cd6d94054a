/**
 * Waits for what goes on at once, such as writes of files, each of which waits for the disk.
 * @returns their results, in order
 * @throws what the first of them threw, once all are over: whoever tidies up then is in nobody's way
 */
export async function allSettledOrThrow<Results extends readonly unknown[]>(
  works: readonly [...{ readonly [I in keyof Results]: Promise<Results[I]> }],
): Promise<Results> {
  const all: readonly Promise<unknown>[] = works;
  const settled = await Promise.allSettled(all);
  const results = settled.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
  return results as readonly unknown[] as Results; // in the order of the works
}
