import { userError } from '../errors.js';
import type { Fitted } from '../features/features.js';
import { funnelCheck, rowReader, type RowSource } from './rows.js';
import type { RejectPolicy } from './rejects.js';
import type { RowFormat } from './row-format.js';

/**
 * Learns vocabularies and scales from the rows of train that will be trained on, in one pass; no pass where nothing is to be
 * learned.
 * @param onProgress told the share of the file that was read
 * @param signal aborted to give up; its reason is thrown
 */
export async function fitFeatures(
  source: RowSource,
  format: RowFormat,
  policy: RejectPolicy,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Fitted> {
  const { fields, labels } = format;
  const fits = fields.flatMap((field) => {
    const fit = field.startFit();
    return fit === undefined ? [] : [{ field, fit }];
  });
  if (fits.length === 0) return {};

  const isFitted = new Set(fits.map(({ field }) => field));
  const readers = [
    ...labels.map(({ name, parse }) => ({ name, read: (text: string) => void parse(text) })),
    ...fits.map(({ field, fit }) => ({ name: field.name, read: (text: string) => fit.check(text) })),
    // A row that another column refuses must not be learned from either.
    ...fields.filter((field) => !isFitted.has(field)).map((field) => {
      const encoder = field.encoder(undefined);
      return { name: field.name, read: (text: string) => void encoder.encode(text) };
    }),
  ];
  const isGood = rowReader(source, readers, funnelCheck(source, format), policy);
  const columns = fits.map(({ field, fit }) => ({ fit, index: source.indices.get(field.name)! }));
  let count = 0;
  for await (const { rows, lines, progress } of source.csv.rows()) {
    rows.forEach((cells, r) => {
      if (!isGood(cells, lines[r]!)) return;
      count++;
      for (const { fit, index } of columns) fit.observe(cells[index]!);
    });
    onProgress(progress);
    // Signals are heard only when the event loop gets a turn; a read of the file is one.
    signal.throwIfAborted();
  }
  if (count === 0) throw noRows(source.csv.path);
  return Object.fromEntries(fits.map(({ field, fit }) => [field.name, fit.finish()]));
}

/** The error for a data set without a usable row. */
export function noRows(path: string): Error {
  return userError('data', { where: path, message: 'expected rows below the header, found none that can be used' });
}
