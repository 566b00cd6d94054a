/**
 * Awaits concurrent promises until all have settled.
 * @returns their results, in order
 * @throws the first rejection, after all have settled, so that cleanup cannot race with running work
 */
export async function allSettledOrThrow<Results extends readonly unknown[]>(
  tasks: readonly [...{ readonly [I in keyof Results]: Promise<Results[I]> }],
): Promise<Results> {
  const promises: readonly Promise<unknown>[] = tasks;
  const settled = await Promise.allSettled(promises);
  const results = settled.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
  return results as readonly unknown[] as Results;
}
