import { describe, expect, it } from 'vitest';
import { formats } from '../../src/export/formats.js';
import { losses } from '../../src/losses/losses.js';
import { models } from '../../src/models/models.js';
import { encoders } from '../../src/sequences/encoders.js';
import { searches } from '../../src/study/searches/searches.js';
import { weightings } from '../../src/weightings/weightings.js';
import { docsPages, readPage } from '../support/pages.js';

const REGISTRIES = { models, losses, encoders, searches, formats, weightings };
const pages = ['README.md', 'CHANGELOG.md', ...docsPages];

/** Names of components in papers and other libraries. */
const ALIASES = ['DIN', 'DIEN', 'BST', 'HSTU', 'SIM', 'ETA', 'GRU', 'AUGRU', 'TPE', 'ASHA', 'ONNX'];
const NAMES = [...Object.values(REGISTRIES).flatMap(({ names }) => names as readonly string[]), ...ALIASES];
/** Words that are also plain English or have another meaning in a sentence. */
const PLAIN = ['fixed', 'home', 'stem', 'search', 'random', 'grid', 'squared', 'absolute', 'embeddings', 'pooling'];

/** Sentences of a page that state that mtl lacks a component which a registry has. */
function wrongLacks(page: string): readonly string[] {
  const names = NAMES.filter((name) => !PLAIN.includes(name)).join('|');
  const lacks = new RegExp(`\\bmtl has\\b[^.|]*\\bno (?:${names})\\b|\\b(?:layers|encoders|models) are missing`, 'i');
  return readPage(page)
    .split('\n')
    .filter((line) => lacks.test(line));
}

/** The names in code that the comparison lists for mtl: in a row of its table, or in a sentence. */
function comparedNames(start: RegExp): readonly string[] {
  const [, text = ''] = start.exec(readPage('docs/comparison.md')) ?? [];
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

describe('claims about components', () => {
  it.each([
    [/^The \[sequence encoders\]([^.]*\.md[^.]*)/m, encoders.names],
    [/^\| hyperparameter search \| ([^|]*)/m, searches.names],
    [/^\| export \| ([^|]*)/m, formats.names],
  ])('the comparison lists every component: %s', (start, names) => {
    expect([...comparedNames(start)].sort()).toEqual([...names].sort());
  });

  it('the comparison has the number of models', () => {
    const [, count] = /^\| models for several tasks \| (\d+),/m.exec(readPage('docs/comparison.md'))!;
    expect(Number(count)).toBe(models.names.length);
  });

  it.each(pages)('%s counts models, losses and weightings as the registries do', (page) => {
    const counts = [...readPage(page).matchAll(/\b(\d+) (models|losses|encoders|weightings)\b/g)];
    const isBenchmark = page.startsWith('docs/benchmarks/');
    for (const [text, count, kind] of isBenchmark ? [] : counts)
      expect(Number(count), text).toBe(REGISTRIES[kind as keyof typeof REGISTRIES].names.length);
  });

  it.each(pages)('%s does not deny a component that exists', (page) => {
    expect(wrongLacks(page)).toEqual([]);
  });

  it('the AUC of a model on "Choose a model" is the one in the benchmark', () => {
    const claims = [...readPage('docs/how-to/choose-a-model.md').matchAll(/`([\w-]+)` reaches (0\.\d{4})/g)];
    expect(claims.length).toBeGreaterThan(0);
    const measured = readPage('docs/benchmarks/quality.md');
    for (const [, model, auc] of claims)
      expect(new RegExp(`^\\| ${model} \\| (0\\.\\d{4})`, 'm').exec(measured)?.[1], model).toBe(auc);
  });
});
