/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { BIN } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

type Shell = 'bash' | 'zsh' | 'fish';

/** Script that prints the completions of a line, one per line. */
const OFFER: Readonly<Record<Shell, (script: string, words: readonly string[]) => string>> = {
  bash: (script, words) =>
    `source ${script}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); ` +
    `COMP_CWORD=${words.length - 1}; _mtl; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // zsh completes only in its line editor: stubs print the candidates, and whether files are offered.
  zsh: (script, words) =>
    `compdef() { }; source ${script}; _describe() { print -l -- "\${(@P)2%%:*}" }; _files() { print files }; ` +
    `words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}; PREFIX='${words.at(-1)!}'; ` +
    '_mtl',
  fish: (script, words) => `source ${script}; complete -C '${words.join(' ')}'`,
};

/** Returns the completions of a shell after `mtl` and some words. */
function offered(context: TestContext, shell: Shell, ...words: readonly string[]): readonly string[] {
  if (spawnSync(shell, ['--version']).error !== undefined) context.skip(`there is no ${shell} here`);
  const folder = scratchFolder();
  // The script calls mtl by name; SHELL must not matter if it is another shell.
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'mtl'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`);
  chmodSync(join(folder, 'bin', 'mtl'), 0o755);
  const env = {
    ...process.env,
    SHELL: '/bin/other',
    PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
    HOME: folder,
    XDG_CONFIG_HOME: folder,
  };
  writeFileSync(join(folder, 'script'), execFileSync(process.execPath, [BIN, 'completion', shell]));
  writeFileSync(join(folder, 'my.yaml'), '');
  const args = { bash: ['--norc', '-c'], zsh: ['-f', '-c'], fish: ['--no-config', '-c'] }[shell];
  const printed = execFileSync(shell, [...args, OFFER[shell]('./script', ['mtl', ...words])], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!);
}

describe.each(['bash', 'zsh', 'fish'] as const)('mtl completion %s', (shell) => {
  it('completes commands and subcommands', (context) => {
    expect(offered(context, shell, 'tr')).toContain('train');
    expect(offered(context, shell, 'tr').filter((word) => word.startsWith('-'))).toEqual([]);
    expect(offered(context, shell, 'data', '')).toEqual(expect.arrayContaining(['info', 'clean']));
  });

  it('completes options after a dash, and their choices', (context) => {
    expect(offered(context, shell, 'train', '--th')).toContain('--threads');
    expect(offered(context, shell, 'train', '--device', '')).toEqual(
      expect.arrayContaining(['auto', 'cpu', 'cuda', 'gpu', 'webgpu']),
    );
  });

  it('leaves paths to the shell', (context) => {
    const words = offered(context, shell, 'train', 'my');
    expect(words).toEqual({ bash: [], zsh: ['files'], fish: ['my.yaml'] }[shell]);
  });
});
