import { relative } from 'node:path';
import { splitFilesOf, type DataOptions } from '../data/options.js';

/** Formats the commands that use a completed run, ready to paste into a shell. */
export function nextCommands(run: string, data: DataOptions): string {
  const { valid, test } = splitFilesOf(data);
  const [path] = [test ?? valid ?? []].flat();
  const rows = path === undefined ? 'FILE' : quoted(relative('', path));
  return [
    'next:',
    `  npx mtl predict ${quoted(run)} --data ${rows} --out predictions.csv`,
    `  npx mtl serve ${quoted(run)}`,
    '  npx mtl runs',
  ].join('\n');
}

/** Quotes a word for a POSIX shell if necessary. */
function quoted(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
