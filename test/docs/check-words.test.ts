/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addedLines, findBannedWords, findingLine, isChecked, renewWordsTable } from '../../bin/check-words.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const found = (path: string, text: string): readonly string[] => findBannedWords(path, text).map(findingLine);

/** A Git checkout with one commit, whose page has a banned word in an old line. */
function createCheckout(): string {
  const directory = scratchFolder();
  mkdirSync(join(directory, 'docs'));
  writeFileSync(join(directory, 'docs', 'page.md'), '# Page\n\nThe run is told.\n');
  git(directory, 'init', '-q', '-b', 'main');
  commit(directory);
  return directory;
}

function git(directory: string, ...args: readonly string[]): void {
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: directory, stdio: 'ignore' });
}

function commit(directory: string): void {
  git(directory, 'add', '-A');
  git(directory, 'commit', '-qm', 'docs: add a page');
}

function check(directory: string, ...args: readonly string[]): { status: number | null; stderr: string } {
  const script = join(root, 'bin', 'check-words.js');
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { cwd: directory, encoding: 'utf8' });
  return { status, stderr: stderr.replace(/[0-9a-f]{40}/, 'BASE') };
}

describe('findBannedWords', () => {
  it('reports the position, the phrase and its replacement', () => {
    expect(found('docs/a.md', '# Title\n\nA run goes on with its folder.\n')).toEqual([
      "docs/a.md:3:7: 'goes on': use resume, continue",
      "docs/a.md:3:24: 'folder': use directory",
    ]);
  });

  it('ignores code, link targets and comments of a page', () => {
    const page = 'Use `folder`, [a page](folder.md).\n<!-- folder -->\n```sh\ncd folder\n```\n\n    cd folder\n';
    expect(found('docs/a.md', page)).toEqual([]);
  });

  it('ignores the table of banned phrases, and checks what follows it', () => {
    const page = '<!-- words -->\n| folder | directory |\n<!-- /words -->\n\nA folder.\n';
    expect(found('CONTRIBUTING.md', page)).toEqual(["CONTRIBUTING.md:5:3: 'folder': use directory"]);
  });

  it('reports sentences that open with the wrong word, but no question and no default', () => {
    const page =
      'What fails is logged. Of these, one is kept.\n- Where it fails, stop.\nWhat fails? By default, none.\n';
    expect(findBannedWords('docs/a.md', page).map(({ line, found: word }) => [line, word])).toEqual([
      [1, 'What'],
      [1, 'Of'],
      [2, 'Where'],
    ]);
  });

  it('checks strings of several words in TypeScript, not identifiers, comments or imports', () => {
    const source =
      "import a from './folder';\n// a folder\nconst folder = 'folder';\nfail(`the\nfolder of ${a} is left out`);\n";
    expect(found('src/a.ts', source)).toEqual([
      "src/a.ts:5:1: 'folder': use directory",
      "src/a.ts:5:19: 'left out': use dropped, excluded",
    ]);
  });

  it('reports British spellings, not words that look like one', () => {
    const page =
      'Unnormalised values, labelled rows and their behaviour. Analyses of noise precisely call the controller.\n';
    expect(findBannedWords('docs/a.md', page).map(({ found: word }) => word)).toEqual([
      'Unnormalised',
      'labelled',
      'behaviour',
    ]);
  });

  it('checks comments of YAML', () => {
    expect(found('configs/a.yaml', 'data: folder # a folder\n')).toEqual([
      "configs/a.yaml:1:18: 'folder': use directory",
    ]);
  });

  it.each([
    'a blank line behind a reverse proxy, ahead of time',
    'no task may fall behind; Adam hardly notices',
    'the standard deviation of valid rows, trained on train.csv; third-party notices',
  ])('accepts: %s', (text) => expect(found('docs/a.md', text)).toEqual([]));

  it.each([
    ['docs/how-to/a.md', true],
    ['README.md', true],
    ['src/a/b.ts', true],
    ['configs/data/a.yaml', true],
    ['docs/reference/glossary.md', true],
    ['CONTRIBUTING.md', true],
    ['CHANGELOG.md', false],
    ['test/a.test.ts', false],
    ['src/kernels/a.ts', false],
  ])('%s is checked: %s', (path, is) => expect(isChecked(path)).toBe(is));
});

describe('addedLines', () => {
  it('finds the lines that a diff adds', () => {
    const diff = '--- a/x.md\n+++ b/x.md\n@@ -1 +1,2 @@\n-a\n+b\n+c\n@@ -9,2 +10,0 @@\n-d\n-e\n@@ -20,0 +19 @@\n+f\n';
    expect([...addedLines(diff)]).toEqual([['x.md', new Set([1, 2, 19])]]);
  });
});

describe('bin/check-words.js', () => {
  it('reports changed lines only, committed or not, and new files', () => {
    const directory = createCheckout();
    expect(check(directory, '--base', 'HEAD')).toEqual({ status: 0, stderr: '' });
    const page = join(directory, 'docs', 'page.md');
    writeFileSync(page, `${readFileSync(page, 'utf8')}\nA crooked log.\n`);
    writeFileSync(join(directory, 'docs', 'new.md'), 'A folder.\n');
    const stderr =
      "docs/page.md:5:3: 'crooked': use biased, corrects\n" +
      "docs/new.md:1:3: 'folder': use directory\n" +
      'check-words: 2 banned phrases in lines changed since HEAD\n';
    expect(check(directory, '--base', 'HEAD')).toEqual({ status: 1, stderr });
    git(directory, 'checkout', '-qb', 'topic');
    commit(directory);
    const committed = check(directory);
    expect(committed.status).toBe(1);
    expect(committed.stderr.split('\n').sort()).toEqual(stderr.replace('HEAD', 'BASE').split('\n').sort());
  });

  it('compares with the parent commit on the default branch', () => {
    const directory = createCheckout();
    writeFileSync(join(directory, 'docs', 'new.md'), 'A folder.\n');
    commit(directory);
    expect(check(directory).stderr).toContain("docs/new.md:1:3: 'folder': use directory\n");
    writeFileSync(join(directory, 'docs', 'other.md'), 'A directory.\n');
    commit(directory);
    expect(check(directory)).toEqual({ status: 0, stderr: '' });
  });

  it('is skipped with the reason if there is nothing to compare with', () => {
    expect(check(createCheckout())).toEqual({
      status: 0,
      stderr: 'check-words: skipped: no revision to compare with; name one with --base REV\n',
    });
    expect(check(scratchFolder())).toEqual({ status: 0, stderr: 'check-words: skipped: not a Git checkout\n' });
  });
});

describe('CONTRIBUTING.md', () => {
  it('has the table of bin/banned-words.js', () => {
    const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
    expect(page, 'run npm run docs').toBe(renewWordsTable(page));
    expect(page).toContain('| crooked, mends | biased, corrects |\n');
  });
});
