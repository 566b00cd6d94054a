import { tableTensor } from '../engines/engine.js';

/** Whether a tensor is a table. */
export function isTable(name: string): boolean {
  return name.startsWith(tableTensor(''));
}

/** The names that a pattern matches, in which * stands for any characters; a ! before it is no part of it. */
export function compilePattern(pattern: string): RegExp {
  const parts = pattern
    .replace(/^!/, '')
    .split('*')
    .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

/** Some names, for people. */
export function listed(names: readonly string[], most = 8): string {
  return names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

/** What `initFrom` says to take all but some tensors, for people. */
export function allBut(...patterns: readonly string[]): string {
  return `include: ['*', ${patterns.map((pattern) => `'!${pattern}'`).join(', ')}]`;
}
