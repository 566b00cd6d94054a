/** What Hive writes for a value that is not there. */
const NO_VALUE = '__HIVE_DEFAULT_PARTITION__';

/** Whether the name of a folder is that of a partition, as in `ds=2026-11-01`. */
export function isPartition(name: string): boolean {
  return /^[^=]+=/.test(name);
}

/**
 * The columns that the folders of a path stand for, as Hive, Spark and DuckDB write them:
 * `ds=2026-11-01/part-0.parquet` is a file
 * whose rows have `2026-11-01` in the column `ds`. What these escape in a value (`%3A`) is a character again, and the
 * name that stands for
 * no value is an empty cell.
 */
export function partitionsOf(path: string): ReadonlyMap<string, string> {
  const folders = path.split('/').slice(0, -1).filter(isPartition);
  return new Map(
    folders.map((folder) => {
      const at = folder.indexOf('=');
      const value = unescaped(folder.slice(at + 1));
      return [unescaped(folder.slice(0, at)), value === NO_VALUE ? '' : value];
    }),
  );
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone % is itself.
    return text;
  }
}
