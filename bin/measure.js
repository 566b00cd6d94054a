#!/usr/bin/env node
// Prints measures of the source tree and the tests: code lines of src by directory, import floors, entries at the top
// of src, tests that import internals, lines of tests, and words of the docs. Options:
//   --write  updates the measures in CONTRIBUTING.md instead
import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { markdownTable, wrapText } from './markdown-table.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(root, 'CONTRIBUTING.md');
const MARKS = ['<!-- measures -->\n', '<!-- /measures -->'];

/** Name of the files at the top of src in the counts. */
const TOP_FILES = '*.ts';
/** Number of directories of src from which a test file counts as tied to internals. */
const MANY_DIRECTORIES = 3;
/** Maximum length of a line of CONTRIBUTING.md. */
const MAX_PAGE_COLUMNS = 140;
/** Pages that the build writes. */
const GENERATED = /^docs\/reference\/(?:config|cli|library)\.md$/;

/** Reads the text files of a directory, by their paths from it with slashes. */
function readTexts(folder, pattern) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => pattern.test(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, folder, path), 'utf8') }));
}

/** Counts the lines of a source file that are neither blank nor a comment only. */
export const countCodeLines = (text) => text.split('\n').filter((line) => !/^\s*(?:\/\/|\/?\*|$)/.test(line)).length;

/** Counts the code lines of src by directory; `*.ts` has the files at the top. */
export function countRooms() {
  const counts = {};
  for (const { path, text } of readTexts('src', /\.(?:ts|c|h|py)$/)) {
    const room = path.includes('/') ? path.slice(0, path.indexOf('/')) : TOP_FILES;
    counts[room] = (counts[room] ?? 0) + countCodeLines(text);
  }
  return counts;
}

/** Lists the files that a file imports, as paths from the root of the repository. */
function importsOf(path, text) {
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, target]) =>
    normalize(join(dirname(path), target)).replaceAll('\\', '/'),
  );
}

/** The length of the longest chain of directories and top files of src in which each imports the next one. */
function countFloors() {
  const imports = new Map();
  const roomOf = (path) => path.replace(/\.(?:ts|js)$/, '').split('/')[0] + (path.includes('/') ? '/' : '');
  for (const { path, text } of readTexts('src', /\.ts$/)) {
    const room = roomOf(path);
    const targets = importsOf(path, text).map(roomOf);
    imports.set(room, new Set([...(imports.get(room) ?? []), ...targets.filter((target) => target !== room)]));
  }
  const floors = new Map();
  const floorOf = (room) => {
    if (!floors.has(room)) floors.set(room, 1 + Math.max(0, ...[...(imports.get(room) ?? [])].map(floorOf)));
    return floors.get(room);
  };
  return Math.max(...[...imports.keys()].map(floorOf));
}

/** Counts the directories of src that a test imports from; the files at the top are the library and the commands. */
function countDirectories({ path, text }) {
  const internals = importsOf(`test/${path}`, text).filter((target) => /^src\/.*\//.test(target));
  return new Set(internals.map((target) => dirname(target))).size;
}

/** Measures the tree, without its directories. Returns the value of each measure by name. */
export function measureTree() {
  const tests = readTexts('test', /\.ts$/);
  const testFiles = tests.filter(({ path }) => path.endsWith('.test.ts'));
  const pages = [
    readFileSync(join(root, 'README.md'), 'utf8'),
    ...readTexts('docs', /\.md$/)
      .filter(({ path }) => !GENERATED.test(`docs/${path}`))
      .map(({ text }) => text),
  ];
  const sum = (values) => values.reduce((all, value) => all + value, 0);
  return {
    'code lines of `src`': sum(Object.values(countRooms())),
    'import floors of `src`': countFloors(),
    'entries at the top of `src`': readdirSync(join(root, 'src')).length,
    'test files': testFiles.length,
    [`test files that import from ${MANY_DIRECTORIES} or more directories of \`src\``]: testFiles.filter(
      (file) => countDirectories(file) >= MANY_DIRECTORIES,
    ).length,
    'lines of tests': sum(tests.map(({ text }) => text.split('\n').length - 1)),
    'words of README and docs, without generated pages': sum(pages.map(countWords)),
  };
}

/** Counts the words of a page; marks such as the pipes of a table are none. */
function countWords(text) {
  return text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}

/** Formats a number with separators of thousands. */
const format = (value) => value.toLocaleString('en-US');

/** The measures, and the code lines of each directory, as Markdown tables. */
function measuresText() {
  const rooms = Object.entries(countRooms()).sort(([, a], [, b]) => b - a);
  const tableOf = (name, value, entries) =>
    markdownTable(
      [name, value],
      entries.map(([each, count]) => [each, format(count)]),
    );
  return [
    tableOf('measure', 'value', Object.entries(measureTree())),
    tableOf('directory of `src`', 'code lines', rooms),
  ].join('\n');
}

/** The measures as lines of a page. */
function measuresSummary() {
  const texts = Object.entries(measureTree()).map(([name, value]) => `${format(value)} ${name}`);
  return `${wrapText(`Today: ${texts.join(', ')}.`, MAX_PAGE_COLUMNS)}\n`;
}

/** Returns a page with the text between the marks of the measures replaced. */
export function renewMeasures(page, text) {
  const [begin, end] = MARKS.map((mark) => page.indexOf(mark));
  if (begin < 0 || end < begin) throw new Error(`expected ${MARKS.map((mark) => mark.trim()).join(' before ')}`);
  return `${page.slice(0, begin + MARKS[0].length)}${text}${page.slice(end)}`;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write'))
    writeFileSync(PAGE, renewMeasures(readFileSync(PAGE, 'utf8'), measuresSummary()));
  else process.stdout.write(measuresText());
}
