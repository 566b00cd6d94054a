/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands/all.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'reference', 'cli.md'), 'utf8');
const paths = commands.flatMap(({ name, commands: inner }) => [name, ...inner.map((each) => `${name} ${each}`)]);

/** Returns the options in the tables of a command's section. */
function optionsOf(path: string): readonly string[] {
  const [section] = page.split(`\n## mtl ${path}\n`)[1]!.split('\n## ');
  return [...section!.matchAll(/^\| `--([\w-]+)`/gm)].map(([, name]) => name!);
}

describe('docs/reference/cli.md', () => {
  it('equals the output of npm run docs', () => {
    const file = join(scratchFolder(), 'cli.md');
    execFileSync(process.execPath, [join(root, 'bin', 'cli-docs.js'), file]);
    expect(page, 'run npm run docs').toBe(readFileSync(file, 'utf8'));
  });

  it('has a section for each command and subcommand, in the order of help', () => {
    expect(paths.length).toBeGreaterThan(25);
    expect([...page.matchAll(/^## mtl (.*)$/gm)].map(([, path]) => path)).toEqual(paths);
  });

  it.each(paths)('lists the options that mtl %s --help prints', (path) => {
    const help = execFileSync(process.execPath, [join(root, 'bin', 'mtl.js'), ...path.split(' '), '--help'], {
      encoding: 'utf8',
    });
    const options = [...help.split('Examples:')[0]!.matchAll(/^ {2,8}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => name!);
    const shown = options.filter((name) => !['help', 'version'].includes(name));
    // yargs adds a command's options to the help of its subcommands.
    const inherited = path.includes(' ') ? optionsOf(path.split(' ')[0]!) : [];
    const listed = optionsOf(path);
    expect(listed.filter((name) => !shown.includes(name))).toEqual([]);
    expect(shown.filter((name) => ![...listed, ...inherited].includes(name))).toEqual([]);
    // Types are not part of a default.
    expect(help).not.toMatch(/\[default: (int|number)/);
  });
});
