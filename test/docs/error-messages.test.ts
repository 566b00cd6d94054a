/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { listErrorMessages, listTexts, VALUE } from '../support/error-messages.js';
import { readPage } from '../support/pages.js';

/** Messages in the tables of the page, in code. */
const listed = readPage('docs/reference/errors.md')
  .split('\n## ')
  .filter((section) => /^Exit code \d/.test(section))
  .flatMap((section) => [...section.matchAll(/^\| (.*?) \| /gm)].map(([, cell]) => cell!))
  .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, message]) => message!))
  .filter((message) => message !== '""');

const messages = listErrorMessages().filter(({ isResponse }) => !isResponse);

/** Whether a message is generic: it states what was expected or what is required, or has a fix. */
function isGeneric(text: string): boolean {
  return /\bexpected\b|\bfound\b|\brequires?\b|\bcannot be combined\b|; /.test(text);
}

describe('docs/reference/errors.md', () => {
  it('lists messages of the source only, as they are printed', () => {
    const texts = listTexts();
    expect(listed.length).toBeGreaterThan(60);
    expect(listed.filter((message) => !texts.some((text) => text.includes(message)))).toEqual([]);
  });

  it('lists every message without a fix, unless it states what was expected', () => {
    const isComputed = (text: string): boolean => !/[a-z]{3}/.test(text.replaceAll(VALUE, ''));
    const bare = messages.filter(({ text, hasFix }) => !hasFix && !isComputed(text) && !isGeneric(text));
    expect(bare.length).toBeGreaterThan(30);
    expect(bare.filter(({ text }) => !listed.some((message) => text.includes(message)))).toEqual([]);
  });
});
