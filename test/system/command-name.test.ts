import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { commandName } from '../../src/system/command-name.js';
import { scratchFolder } from '../support/scratch.js';

/** A directory with the command. */
function folderWith(...path: readonly string[]): string {
  const folder = join(scratchFolder(), ...path);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'mtl'), '');
  return folder;
}

it('is npx mtl, unless a shell finds mtl outside the directories that npm adds to PATH', () => {
  const [empty, local] = [scratchFolder(), folderWith('node_modules', '.bin')];
  expect(commandName('')).toBe('npx mtl');
  expect(commandName([local, '', empty, join(empty, 'missing')].join(delimiter))).toBe('npx mtl');
  expect(commandName([local, empty, folderWith('bin')].join(delimiter))).toBe('mtl');
});
