import { tableTensor } from '../engines/engine.js';

/** Reports whether a tensor is an embedding or wide table. */
export function isTable(name: string): boolean {
  return name.startsWith(tableTensor(''));
}

/** Compiles a name pattern, in which * stands for any characters; ignores a leading !. */
export function compilePattern(pattern: string): RegExp {
  const parts = pattern
    .replace(/^!/, '')
    .split('*')
    .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

/** Formats a list of names for messages. */
export function formatNames(names: readonly string[], maxNames = 8): string {
  return names.length <= maxNames
    ? names.join(', ')
    : `${names.slice(0, maxNames).join(', ')} and ${names.length - maxNames} more`;
}

/** Formats the `initFrom` setting that loads all but some tensors. */
export function formatExclusion(...patterns: readonly string[]): string {
  return `include: ['*', ${patterns.map((pattern) => `'!${pattern}'`).join(', ')}]`;
}
