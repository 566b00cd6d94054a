#!/usr/bin/env node
// Rejects the phrases of banned-words.js, with their replacement, in changed lines of docs, schema descriptions, help
// and messages. Also rejects pages that read as telegrams: it counts punctuation and connectives of the docs against
// STYLE_LIMITS. Options:
//   --base REV   revision to compare with; default: the merge base with the default branch, else the parent commit
//   --all        checks every line
//   --write      updates the table in CONTRIBUTING.md instead
//   --count      prints the counts of each page and of all pages instead
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { BANNED_OPENINGS, BANNED_WORDS } from './banned-words.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const WORDS_PAGE = join(root, 'CONTRIBUTING.md');
const MARKS = ['<!-- words -->\n', '<!-- /words -->'];

/** Files whose texts people read. CONTRIBUTING.md lists the phrases; a changelog quotes old names. */
const CHECKED = /^(?:[\w-]+\.md|(?:docs|data)\/.*\.md|(?:configs|sweeps)\/.*\.yaml|src\/.*\.ts)$/;
const GENERATED = /^docs\/reference\/(?:config|cli|library)\.md$/;
const EXCLUDED = /^(?:CHANGELOG\.md|src\/kernels\/.*)$/;

/** Whether a file, by its path from the root, is checked. */
export const isChecked = (path) => CHECKED.test(path) && !EXCLUDED.test(path);

/**
 * Finds banned phrases in the text of a file.
 * @param path decides what is text: prose of Markdown, comments of YAML, string literals of TypeScript
 * @param lines numbers of the lines to check, from 1; undefined for all
 * @returns findings with line, column, the phrase found and its replacement, in order
 */
export function findBannedWords(path, content, lines) {
  return textsIn(path, content)
    .filter(({ line }) => lines === undefined || lines.has(line))
    .flatMap(({ line, column, text, isProse }) =>
      [...BANNED_WORDS, ...(isProse ? [BANNED_OPENINGS] : [])].flatMap(({ pattern, use }) => {
        const flags = pattern === BANNED_OPENINGS.pattern ? 'g' : 'gi';
        return [...text.matchAll(new RegExp(pattern.source, flags))].map(({ 0: found, index }) => ({
          path,
          line,
          column: column + index,
          found,
          use,
        }));
      }),
    )
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

/** Formats a finding as `path:line:column: 'found': use …`. */
export const findingLine = ({ path, line, column, found, use }) => `${path}:${line}:${column}: '${found}': use ${use}`;

function textsIn(path, content) {
  if (path.endsWith('.md')) return proseOf(content);
  if (path.endsWith('.ts')) return stringsOf(content);
  return content.split('\n').flatMap((text, i) => {
    const [before] = /^.*?(?:^|\s)#/.exec(text) ?? [];
    return before === undefined
      ? []
      : [{ line: i + 1, column: before.length + 1, text: text.slice(before.length), isProse: false }];
  });
}

/**
 * The lines of a page outside code blocks and the table of banned phrases, with inline code, link targets and comments
 * replaced by spaces.
 */
function proseOf(content) {
  const blank = (part) => ' '.repeat(part.length);
  let isCode = false;
  let isAfterBlank = true;
  let isTable = false;
  return content.split('\n').flatMap((line, i) => {
    if (MARKS.some((mark) => line === mark.trimEnd())) isTable = line === MARKS[0].trimEnd();
    if (isTable) return [];
    if (/^\s*```/.test(line)) isCode = !isCode;
    const isIndentedCode = isAfterBlank && /^ {4}/.test(line);
    isAfterBlank = line === '' || isIndentedCode;
    if (isCode || isIndentedCode || /^\s*```/.test(line)) return [];
    const text = line
      .replace(/<!--.*?-->|`[^`]*`|\]\([^)]*\)|<[^>]*>|https?:\S+/g, blank)
      .replace(/^\s*(?:[-*>]|\d+\.) (?:\*\*)?/, blank);
    const isProse = !/^\s*(?:\||#)/.test(line);
    const start = isProse ? text.search(/\S|$/) : 0;
    return [{ line: i + 1, column: start + 1, text: text.slice(start), isProse }];
  });
}

/** String literals and parts of templates that have several words, by line. */
function stringsOf(content) {
  const source = ts.createSourceFile('checked.ts', content, ts.ScriptTarget.Latest);
  const texts = [];
  const visit = (node) => {
    if (ts.isStringLiteral(node) || ts.isTemplateLiteralToken(node)) {
      for (const [i, text] of node.getText(source).split('\n').entries()) {
        const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source));
        const column = i === 0 ? character + 1 : 1;
        if (/\w \w/.test(text)) texts.push({ line: line + i + 1, column, text, isProse: false });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return texts;
}

/** The features of a style that are counted, with the pattern of an occurrence. */
const STYLE_PATTERNS = {
  colons: /[^\s:]:(?= +\S)/g,
  semicolons: /;/g,
  'that of': /\b(?:those|that) of\b/gi,
  whose: /\bwhose\b/gi,
  ', so': /, so\b/gi,
  'for example': /\bfor example\b/gi,
  connectives: /\b(?:however|instead|otherwise|this means)\b/gi,
  you: /\byour?s?\b/gi,
};

/**
 * Limits of the counts per 10,000 words of prose over all pages, and of a single page with at least `words` words.
 * They are what the docs have reached, so lower them (for `least`, raise them) when the docs improve. For
 * comparison, the docs of uv and Polars have 24 and 31 colons, 9 and 8 semicolons, and 54 and 117 times "you".
 */
export const STYLE_LIMITS = {
  docs: {
    most: { colons: 31, semicolons: 9, 'that of': 8, whose: 1.2, ', so': 6 },
    least: { 'for example': 20, connectives: 21, you: 60 },
  },
  page: { words: 300, most: { colons: 60, semicolons: 20, 'that of': 20, whose: 10 } },
};

/** Counts the words of a page's prose, without code, tables and headings, and each feature of its style. */
export function countStyle(content) {
  const prose = proseOf(content).filter(({ isProse }) => isProse);
  const text = prose.map((each) => each.text).join('\n');
  const counts = Object.entries(STYLE_PATTERNS).map(([name, pattern]) => [name, text.match(pattern)?.length ?? 0]);
  return { words: text.match(/\p{L}[\p{L}\p{N}'’-]*/gu)?.length ?? 0, ...Object.fromEntries(counts) };
}

/**
 * Compares the style of pages with the limits.
 * @param pages contents by path, without generated pages
 * @returns one line for each limit that a page or the total exceeds
 */
export function findStyleProblems(pages, limits = STYLE_LIMITS) {
  const counts = [...pages].map(([path, content]) => [path, countStyle(content)]);
  const { words, most } = limits.page;
  const total = sumCounts(counts.map(([, count]) => count));
  return [
    ...counts.filter(([, each]) => each.words >= words).flatMap(([path, each]) => exceeded(path, each, most, {})),
    ...exceeded('docs', total, limits.docs.most, limits.docs.least),
  ];
}

/** The number of occurrences per 10,000 words, with one decimal. */
const rateOf = (count, words) => Math.round((1e5 * count) / Math.max(1, words)) / 10;

function sumCounts(counts) {
  const names = ['words', ...Object.keys(STYLE_PATTERNS)];
  return Object.fromEntries(names.map((name) => [name, counts.reduce((sum, each) => sum + each[name], 0)]));
}

function exceeded(path, { words, ...counts }, most, least) {
  const rates = Object.entries(counts).map(([name, count]) => [name, rateOf(count, words)]);
  return rates.flatMap(([name, rate]) => {
    if (rate > (most[name] ?? Infinity))
      return [`${path}: ${rate} '${name}' per 10,000 words; the limit is ${most[name]}`];
    return rate < (least[name] ?? 0)
      ? [`${path}: ${rate} '${name}' per 10,000 words; the minimum is ${least[name]}`]
      : [];
  });
}

/** The lines that `git diff --unified=0` adds, by path. */
export function addedLines(diff) {
  const files = new Map();
  let lines = new Set();
  for (const text of diff.split('\n')) {
    const [, path] = /^\+\+\+ b\/(.*?)\t?$/.exec(text) ?? [];
    if (path !== undefined) files.set(path, (lines = new Set()));
    const [, first, count = '1'] = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(text) ?? [];
    for (let i = 0; i < Number(count) && first !== undefined; i++) lines.add(Number(first) + i);
  }
  return files;
}

function git(directory, ...args) {
  const stdio = ['ignore', 'pipe', 'ignore'];
  return execFileSync('git', args, { cwd: directory, encoding: 'utf8', maxBuffer: 1 << 28, stdio });
}

/** Returns the output of a git command, or undefined if it fails. */
function tryGit(directory, ...args) {
  try {
    return git(directory, ...args).trim();
  } catch {
    return undefined;
  }
}

/** The merge base with the default branch; on that branch, the parent commit. */
function findBase(directory) {
  const head = tryGit(directory, 'rev-parse', 'HEAD');
  for (const branch of ['origin/HEAD', 'origin/main', 'main', 'origin/master', 'master']) {
    const base = tryGit(directory, 'merge-base', 'HEAD', branch);
    if (base !== undefined && base !== head) return base;
  }
  return tryGit(directory, 'rev-parse', '--verify', '--quiet', 'HEAD~1');
}

/** Checks a checkout. Returns the findings, or why it is skipped. */
function checkDirectory(directory, base, isAll) {
  if (tryGit(directory, 'rev-parse', '--is-inside-work-tree') !== 'true') return { skipped: 'not a Git checkout' };
  const from = base ?? (isAll ? 'HEAD' : findBase(directory));
  if (from === undefined) return { skipped: 'no revision to compare with; name one with --base REV' };
  const list = (...args) =>
    git(directory, 'ls-files', '-z', ...args)
      .split('\0')
      .filter(isChecked);
  const untracked = list('--others', '--exclude-standard');
  const all = new Map([...(isAll ? list() : []), ...untracked].map((path) => [path, undefined]));
  const diff = ['-c', 'core.quotePath=false', 'diff', '--unified=0', '--no-color', '--no-ext-diff', '--no-renames'];
  const changed = isAll ? new Map() : addedLines(git(directory, ...diff, from, '--'));
  const findings = [...changed, ...all]
    .filter(([path]) => isChecked(path) && existsSync(join(directory, path)))
    .flatMap(([path, lines]) => findBannedWords(path, readFileSync(join(directory, path), 'utf8'), lines));
  return { findings, from };
}

/** The pages of the docs that are written by hand, by path. */
function readPages(directory) {
  const paths = git(directory, 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0');
  const isCounted = (path) => /^(?:README|docs\/.*)\.md$/.test(path) && !GENERATED.test(path);
  const present = paths.filter((path) => isCounted(path) && existsSync(join(directory, path)));
  return new Map([...new Set(present)].map((path) => [path, readFileSync(join(directory, path), 'utf8')]));
}

/** The table of the rates of each page and of all pages. */
function printCounts(pages) {
  const counts = [...pages].map(([path, content]) => [path, countStyle(content)]);
  counts.push(['docs', sumCounts(counts.map(([, each]) => each))]);
  for (const [path, { words, ...each }] of counts) {
    const rates = Object.entries(each).map(([name, count]) => `${name} ${rateOf(count, words)}`);
    process.stdout.write(`${path}: ${words} words, ${rates.join(', ')}\n`);
  }
}

/** The table of banned phrases. */
export function wordsTable() {
  const rows = [...BANNED_WORDS, BANNED_OPENINGS].map(({ not, use }) => `| ${not} | ${use} |\n`);
  return `| instead of | write |\n|---|---|\n${rows.join('')}`;
}

/** The page with its table renewed. */
export function renewWordsTable(page) {
  const [before, rest] = page.split(MARKS[0]);
  const [, after] = rest.split(MARKS[1]);
  return `${before}${MARKS[0]}${wordsTable()}${MARKS[1]}${after}`;
}

function main(args) {
  if (args.includes('--write')) {
    writeFileSync(WORDS_PAGE, renewWordsTable(readFileSync(WORDS_PAGE, 'utf8')));
    return 0;
  }
  if (args.includes('--count')) {
    printCounts(readPages(process.cwd()));
    return 0;
  }
  const base = args.includes('--base') ? args[args.indexOf('--base') + 1] : undefined;
  const { findings = [], from, skipped } = checkDirectory(process.cwd(), base, args.includes('--all'));
  if (skipped !== undefined) process.stderr.write(`check-words: skipped: ${skipped}\n`);
  for (const finding of findings) process.stderr.write(`${findingLine(finding)}\n`);
  if (findings.length > 0)
    process.stderr.write(`check-words: ${findings.length} banned phrases in lines changed since ${from}\n`);
  const problems = skipped === undefined && process.cwd() === resolve(root) ? findStyleProblems(readPages(root)) : [];
  for (const problem of problems) process.stderr.write(`check-words: ${problem}\n`);
  return findings.length + problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
