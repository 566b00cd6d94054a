import { relative } from 'node:path';
import { withSlashes } from '../io/slashes.js';
import { listSplitFiles, type DataOptions } from '../data/options.js';
import { MTL } from '../system/command-name.js';

/** Formats the commands that use a completed run, ready to paste into a shell. */
export function nextCommands(folder: string, data: DataOptions): string {
  const run = withSlashes(folder);
  const { valid, test } = listSplitFiles(data);
  const [path] = [test ?? valid ?? []].flat();
  const rows = path === undefined ? 'FILE' : quoted(withSlashes(relative('', path)));
  return [
    'next:',
    `  ${MTL} predict ${quoted(run)} --data ${rows} --out predictions.csv`,
    `  ${MTL} serve ${quoted(run)}`,
    `  ${MTL} runs`,
  ].join('\n');
}

/** Quotes a word for a POSIX shell if necessary. */
function quoted(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
