import type { Rename } from '../core/renames.js';

/** Metrics of an earlier version, and their names now. */
const RENAMED: Readonly<Record<string, string>> = { normalisedEntropy: 'normalizedEntropy' };

/** Returns a text with current metric names: a metric, a value such as `ctr.auc`, or a weighted sum of values. */
export function renameMetrics(text: string): string {
  return text.replace(/(?<=^|\.)[A-Za-z]\w*(?=$|\s)/g, (name) =>
    Object.hasOwn(RENAMED, name) ? RENAMED[name]! : name,
  );
}

/** Returns the renames of the metrics in stored reports. */
export function listReportRenames(path: string): readonly Rename[] {
  const outputs = path === '' ? '*' : `${path}.*`;
  return Object.entries(RENAMED).flatMap(([from, to]) => [
    { map: outputs, from, to },
    { map: `${outputs}.reasons`, from, to },
  ]);
}
