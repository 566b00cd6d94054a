import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Commands of pages, in the order in which a reader meets them. Each page starts as README leaves the clone: with
// runs/mmoe/001 and runs/esmm/001, which is runs/latest. A comment before a block gives what a reader would know:
//
//   <!-- journey: needs MPI -->              the block is skipped, with this reason
//   <!-- journey: write shop.yaml -->        the block is a file that the reader saves
//   <!-- journey: given logs -->             the reader has this already; a generator of the test makes it
//   <!-- journey: replace A with B -->       B makes it smaller
//   <!-- journey: skip npm test -->          a line that is not run here
//   <!-- journey: printed -->                the block is what the last command printed
//   <!-- journey: printed by COMMAND -->     the block is what this command prints
//   <!-- journey: run COMMAND -->            what the reader does with the file
//   <!-- journey: exit 2 -->                 how the command of the block, or of printed by, ends

/** A code block of a page: commands, a file, or printed output. */
export interface Step {
  readonly page: string;
  readonly line: number;
  readonly text: string;
  readonly isCommand: boolean;
  readonly notes: readonly string[];
}

const NOTE = /^<!-- journey: (.*) -->$/;
const COMMAND = /^(?:npx |mtl |npm |sh |mpirun |curl |\w+=\S+ mtl )/;

/** Finds the blocks of a page that are commands or have a note, in order. */
export function stepsOf(page: string, text: string): readonly Step[] {
  const lines = text.split('\n');
  const steps: Step[] = [];
  let notes: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const [, note] = NOTE.exec(line) ?? [];
    if (note !== undefined) notes.push(note);
    const [, fence] = /^```([\w ]*)$/.exec(line) ?? [];
    const isIndented = line.startsWith('    ') && (lines[i - 1] === '' || notes.length > 0);
    if (fence === undefined && !isIndented) {
      // A note belongs to the next block, across blank lines.
      if (note === undefined && line !== '') notes = [];
      continue;
    }
    const begin = i + 1;
    let block: string[] = [];
    if (fence !== undefined) {
      for (i++; i < lines.length && lines[i] !== '```'; i++) block.push(lines[i]!);
    } else {
      const isInside = (at: number): boolean => lines[at]?.startsWith('    ') === true;
      for (; isInside(i) || (lines[i] === '' && isInside(i + 1)); i++) block.push(lines[i]!);
      i--;
      const indent = Math.min(...block.filter((each) => each !== '').map((each) => each.search(/\S/)));
      block = block.map((each) => each.slice(indent));
    }
    const isFile = notes.some((each) => /^(?:write|printed)\b/.test(each));
    const isCommand = !isFile && (fence === undefined ? COMMAND.test(block[0]!) : ['sh', 'bash'].includes(fence));
    const all = `${block.join('\n')}\n`;
    if (isCommand || notes.length > 0) steps.push({ page, line: begin, text: all, isCommand, notes });
    notes = [];
    block = [];
  }
  return steps;
}

/** Returns the text after a word in the notes of a step. */
export function noted(step: Step, word: string): readonly string[] {
  const begins = (note: string): boolean => note === word || note.startsWith(`${word} `);
  return step.notes.filter(begins).map((note) => note.slice(word.length + 1));
}

/** Returns the commands to run: without skipped lines, and with smaller sizes. */
export function commandsIn(step: Step): string {
  const skipped = noted(step, 'skip');
  let text = step.text
    .split('\n')
    .filter((line) => !skipped.some((prefix) => line.startsWith(prefix)))
    .join('\n');
  for (const rule of noted(step, 'replace')) {
    const [from, to] = rule.split(' with ') as [string, string];
    if (!text.includes(from)) throw new Error(`${step.page}:${step.line}: there is no '${from}' to replace`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Normalizes numbers, units of time and size, and column widths of a printed line. */
export function shapeOf(line: string): string {
  return line
    .replace(/[-−+±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?/g, '#')
    .replace(/# (?:ms|s|min|h|kB|MB|GB)\b/g, '# unit')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Returns the first line that a page shows and that was not printed, in order; '…' matches any lines. */
export function missingLine(shown: string, printed: string): string | undefined {
  const left = printed.split('\n').map(shapeOf);
  for (const line of shown.split('\n').filter((each) => each.trim() !== '' && each.trim() !== '…')) {
    const found = left.indexOf(shapeOf(line));
    if (found === -1) return line;
    left.splice(0, found + 1);
  }
  return undefined;
}

/** A clone of the working tree that shares this checkout's packages and build. */
export interface Clone {
  readonly folder: string;
  /** Runs commands as a reader would type them. */
  run(commands: string): Promise<{ readonly code: number | null; readonly printed: string }>;
}

const root = join(import.meta.dirname, '..', '..');
const MAX_MS = 300_000;

/**
 * Copies the files that git lists, committed or not, into a directory. Modification times are preserved, so that
 * nothing is built or installed again. `npm` in the clone refuses to install, since its packages are those of this
 * checkout.
 */
export function cloneInto(folder: string): Clone {
  const list = ['ls-files', '-co', '--exclude-standard', '-z'];
  const files = execFileSync('git', list, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0');
  for (const path of [...files.filter((each) => each !== '' && existsSync(join(root, each))), 'dist']) {
    cpSync(join(root, path), join(folder, path), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const bin = join(folder, '.journey');
  mkdirSync(bin);
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  const scripts = {
    mtl: `exec node '${folder}/bin/mtl.js' "$@"`,
    npx:
      `[ "$1" = mtl ] && shift && exec node '${folder}/bin/mtl.js' "$@"\n` +
      'echo "npx $1 is not run in a journey" >&2\nexit 1',
    npm: `case "$1" in start|run|test) exec '${npm}' "$@";; esac\necho "npm $1 is not run in a journey" >&2\nexit 1`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}`, MTL_RUNS: '' };
  return {
    folder,
    run: (commands) =>
      new Promise((resolve, reject) => {
        const bash = ['-euo', 'pipefail', '-c', commands];
        const child = spawn('bash', bash, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
        const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), MAX_MS);
        let printed = '';
        const take = (text: string): void => void (printed += text);
        for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take);
        child.on('error', reject);
        child.on('close', (code) => {
          clearTimeout(timer);
          resolve({ code, printed });
        });
      }),
  };
}

/** Directories of docs, in the order in which a reader meets them. */
const DIRECTORIES = ['', 'tutorials', 'how-to', 'reference', 'explanation', 'benchmarks'];
/** The examples of help, generated. */
const GENERATED = 'docs/reference/cli.md';

/** Returns README and all pages of docs, by directory and name. */
export function pagesInOrder(): readonly string[] {
  const pages = DIRECTORIES.map((name) => join('docs', name))
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((file) => file.endsWith('.md'))
        .sort()
        .map((file) => `${folder}/${file}`),
    );
  return ['README.md', ...pages.filter((page) => page !== GENERATED)];
}
