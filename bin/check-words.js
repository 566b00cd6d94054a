#!/usr/bin/env node
// Rejects the phrases of banned-words.js, with their replacement, in changed lines of docs, schema descriptions, help
// and messages. Options:
//   --base REV   revision to compare with; default: the merge base with the default branch, else the parent commit
//   --all        checks every line
//   --write      updates the table in docs/reference/glossary.md instead
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { BANNED_OPENINGS, BANNED_WORDS } from './banned-words.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const GLOSSARY = join(root, 'docs', 'reference', 'glossary.md');
const MARKS = ['<!-- words -->\n', '<!-- /words -->'];

/** Files whose texts people read. The glossary lists the phrases; a changelog quotes old names. */
const CHECKED = /^(?:[\w-]+\.md|(?:docs|data)\/.*\.md|(?:configs|sweeps)\/.*\.yaml|src\/.*\.ts)$/;
const EXCLUDED = /^(?:CHANGELOG\.md|docs\/reference\/glossary\.md|src\/kernels\/.*)$/;

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

/** The lines of a page outside code blocks, with inline code, link targets and comments replaced by spaces. */
function proseOf(content) {
  const blank = (part) => ' '.repeat(part.length);
  let isCode = false;
  let isAfterBlank = true;
  return content.split('\n').flatMap((line, i) => {
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

/** The table of the glossary page. */
export function wordsTable() {
  const rows = [...BANNED_WORDS, BANNED_OPENINGS].map(({ not, use }) => `| ${not} | ${use} |\n`);
  return `| instead of | write |\n|---|---|\n${rows.join('')}`;
}

/** The page with its table renewed. */
export function glossaryPage(page) {
  const [before, rest] = page.split(MARKS[0]);
  const [, after] = rest.split(MARKS[1]);
  return `${before}${MARKS[0]}${wordsTable()}${MARKS[1]}${after}`;
}

function main(args) {
  if (args.includes('--write')) {
    writeFileSync(GLOSSARY, glossaryPage(readFileSync(GLOSSARY, 'utf8')));
    return 0;
  }
  const base = args.includes('--base') ? args[args.indexOf('--base') + 1] : undefined;
  const { findings = [], from, skipped } = checkDirectory(process.cwd(), base, args.includes('--all'));
  if (skipped !== undefined) process.stderr.write(`check-words: skipped: ${skipped}\n`);
  for (const finding of findings) process.stderr.write(`${findingLine(finding)}\n`);
  if (findings.length > 0)
    process.stderr.write(`check-words: ${findings.length} banned phrases in lines changed since ${from}\n`);
  return findings.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
