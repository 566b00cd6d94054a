import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { commands } from '../../src/cli/commands/all.js';
import { main } from '../../src/cli/main.js';

/** Returns what a command line prints on standard output. */
async function printed(...args: readonly string[]): Promise<string> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((part) => ((text += String(part)), true));
  try {
    expect(await main(args)).toBe(0);
  } finally {
    write.mockRestore();
  }
  return text;
}

describe('help', () => {
  it('lists every command once, in groups', async () => {
    const help = await printed('--help');
    const lines = help.split('\n');
    const groups = ['Start:', 'Train:', 'Evaluate:', 'Use:', 'Data:', 'Machine:'];
    expect(lines.filter((line) => /^[A-Z]\w+:$/.test(line))).toEqual([...groups, 'Options:', 'Examples:']);
    // A group follows one blank line and starts with a command.
    for (const group of groups) {
      const at = lines.indexOf(group);
      expect([lines[at - 2], lines[at - 1]]).toEqual([expect.stringMatching(/./), '']);
      expect(lines[at + 1]).toMatch(/^ {2}npx mtl \w/);
    }
    const [list = ''] = help.split('\nOptions:');
    const names = [...list.matchAll(/^ {2}npx mtl (\w+)/gm)].map(([, name]) => name);
    expect(names).toEqual(commands.map(({ name }) => name));
  });

  it('ends with the URL of the documentation of this version', async () => {
    const { homepage, version } = JSON.parse(
      readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
    ) as { readonly homepage: string; readonly version: string };
    const [repository] = homepage.split('#');
    expect((await printed('--help')).trimEnd().split('\n').at(-1)).toBe(
      `Documentation: ${repository}/tree/v${version}/docs`,
    );
  });

  it('prints the type of a number before its default', async () => {
    const help = await printed('runs', 'prune', '--help');
    expect(help).toMatch(/ {2}--keep-last +Number of newest runs to leave untouched +\[int\] \[default: 3\]\n/);
    const promote = await printed('promote', '--help');
    expect(promote).toMatch(/ \[number\] \[default: 0\.95\]\n/);
    const list = await printed('runs', '--help');
    expect(list).toMatch(/ {2}--last .*\n? +\[int\]\n/);
    // The column ends where yargs ends it.
    const ends = [...list.split('\nOptions:')[1]!.matchAll(/^ .*\]$/gm)].map(([line]) => line.length);
    expect([...new Set(ends)]).toHaveLength(1);
  });

  it('prints no default of a list that is empty', async () => {
    const help = await printed('runs', '--help');
    expect(help).toContain('filters');
    expect(help).not.toContain('[default: []]');
  });
});
