/** @module-tag nightly */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { FAMILIES } from '../../src/engines/cpu/native/build.js';
import { TABLE_FORMATS, type TableFormat } from '../../src/tables/row-formats.js';
import { ADDON, needsAddon } from '../support/native.js';
import { scratchFolder } from '../support/scratch.js';

const SOURCES = join(import.meta.dirname, '..', '..', 'src', 'kernels');
const FLAGS = [
  '-std=gnu11',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-ffp-contract=off',
  '-pthread',
  '-O1',
  '-g',
  '-fsanitize=thread',
];

/** The families of this processor. */
const families = ADDON.families
  .map((name) => name.toLowerCase().replaceAll('-', ''))
  .filter((name) => name in (FAMILIES[process.arch] ?? {}));

/** Skips a test without kernels, or if no program runs under the thread sanitizer. */
function needsSanitizer(context: Pick<TestContext, 'skip'>): void {
  needsAddon(context);
  const path = join(scratchFolder(), 'empty');
  writeFileSync(`${path}.c`, 'int main(void) { return 0; }\n');
  try {
    execFileSync('cc', ['-fsanitize=thread', `${path}.c`, '-o', path], { stdio: 'pipe' });
    execFileSync(path, { stdio: 'pipe' });
  } catch (error) {
    context.skip(`no thread sanitizer: ${String(error).split('\n')[0]}`);
  }
}

/**
 * Compiles switch.c for a family of processors.
 * @param order of the clock of messages
 */
function buildSwitch(family: string, order: 'seq_cst' | 'relaxed'): string {
  const path = join(scratchFolder(), 'switch');
  const sources = [
    join(import.meta.dirname, '../support/switch.c'),
    ...['tables.c', 'quantized.c', 'team.c'].map((name) => join(SOURCES, name)),
  ];
  const flags = [...FLAGS, ...FAMILIES[process.arch]![family]!, `-DORDER=memory_order_${order}`, '-I', SOURCES];
  execFileSync('cc', [...flags, ...sources, '-o', path], { stdio: 'pipe' });
  return path;
}

/** Runs it; returns the lookups of all rows, the wrong elements, and the functions that raced. */
function run(program: string, format: TableFormat, ...more: readonly string[]) {
  const { stdout, stderr } = spawnSync(program, [format, ...more], { encoding: 'utf8', timeout: 60_000 });
  const [passes = 0, wrong = NaN] = stdout.trim().split(' ').map(Number);
  const races = [...stderr.matchAll(/SUMMARY: ThreadSanitizer: data race .* in (\w+)/g)].map(([, name]) => name!);
  return { passes, wrong, races, stderr };
}

describe('kernels that read a table while deltas are applied', { timeout: 300_000 }, () => {
  it('race with no write, but with those of a writer that merges before they switch', (context) => {
    needsSanitizer(context);
    for (const family of families) {
      const program = buildSwitch(family, 'seq_cst');
      for (const format of TABLE_FORMATS) {
        const { passes, ...found } = run(program, format);
        expect([family, format, found]).toEqual([family, format, { wrong: 0, races: [], stderr: '' }]);
        expect(passes).toBeGreaterThan(100);
        expect([family, format, run(program, format, 'early').races]).not.toEqual([family, format, []]);
      }
    }
  });

  it('race if the clock of messages orders nothing', (context) => {
    needsSanitizer(context);
    for (const family of families) {
      const program = buildSwitch(family, 'relaxed');
      for (const format of TABLE_FORMATS)
        expect([family, format, run(program, format).races]).not.toEqual([family, format, []]);
    }
  });
});
