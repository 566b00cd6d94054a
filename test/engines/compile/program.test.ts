import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CallList } from '../../../src/engines/compile/call-list.js';
import { createBuffers, WORD } from '../../../src/engines/compile/buffers.js';
import { compile } from '../../../src/engines/compile/compile.js';
import { createLayout } from '../../../src/engines/compile/layout.js';
import { LIST_NAMES } from '../../../src/engines/compile/lists.js';
import { Places } from '../../../src/engines/compile/places.js';
import { printProgram } from '../../../src/engines/compile/print.js';
import { createImage } from '../../../src/engines/state/image.js';
import { planMemory } from '../../../src/engines/state/memory-plan.js';
import { EXTERNAL_BASE } from '../../../src/engines/state/memory-plan.js';
import type { Plan } from '../../../src/engines/engine.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { BATCH } from '../../../src/graph/domain.js';
import { tower } from '../../../src/graph/mlp.js';
import type { SegmentPooling } from '../../../src/graph/operations.js';
import type { InputLayout } from '../../../src/tables/layout.js';
import { planOf } from '../../support/graph-plan.js';
import { ALIGNED_LAYOUT, dinOfPaper, planWith, sequenceLayout } from '../../support/sequences.js';

/** Two tables, one of which a bag pools, and a number. */
const LAYOUT: InputLayout = {
  width: 9,
  tables: [
    { name: 'user', rows: 100, width: 4 },
    { name: 'item', rows: 50, width: 4 },
  ],
  columns: [
    { kind: 'id', field: 'user', table: 'user', offset: 0, width: 4 },
    { kind: 'bag', field: 'clicked', table: 'item', offset: 4, width: 4, pooling: 'mean' },
    { kind: 'number', field: 'price', offset: 8, width: 1 },
  ],
};

/** ESMM (Ma et al. 2018): click-through rate, and conversion as the product of two probabilities. */
function esmm(step?: Plan['step']): Plan {
  const plan = planOf(LAYOUT, (g, input, click) => {
    const options = { hidden: [8], activation: 'relu' as const, dropout: 0, batchNorm: false };
    const [ctr, cvr] = [tower(g, input, options, 'ctr'), tower(g, input, options, 'cvr')];
    const ctcvr = g.productLogit(ctr, cvr);
    const buy = g.input({ kind: 'label', column: 'buy' }, 1);
    return {
      predictions: { ctr: g.activation(ctr, 'sigmoid', 'p ctr'), cvr: g.activation(cvr, 'sigmoid', 'p cvr') },
      terms: [
        { name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(ctr, click) },
        { name: 'ctcvr', weight: 1, loss: g.binaryCrossEntropy(ctcvr, buy) },
      ],
    };
  });
  return { ...plan, ...(step && { step }) };
}

describe('a compiled program', () => {
  it('prints the training step of esmm', async () => {
    await expect(printProgram(compile(esmm()), 'train')).toMatchFileSnapshot('../../golden/programs/esmm-train.txt');
  });

  it('has the calls of the documentation, in order', () => {
    const text = printProgram(compile(esmm()), 'train');
    const calls = text.slice(text.indexOf('releaseTables')).trimEnd().split('\n');
    const phases = calls
      .filter((line) => !line.startsWith(' '))
      .map((line) => (line.startsWith('--') ? `\n${line}\n` : `${line.split(' ')[0]!}, `))
      .join('')
      .replaceAll(', \n', '\n')
      .slice(0, -2);
    const page = readFileSync(join(import.meta.dirname, '../../../docs/explanation/engine.md'), 'utf8');
    // A page wraps long lines.
    expect(page.replaceAll(',\n', ', ')).toContain(phases);
  });

  it('prints the predictions of esmm, without labels, gradients and the update', async () => {
    const text = printProgram(compile(esmm()), 'predict');
    expect(text).not.toMatch(/gradient|label|adam/i);
    await expect(text).toMatchFileSnapshot('../../golden/programs/esmm-predict.txt');
  });

  it('computes a gradient per term in areas of its own if terms are combined', () => {
    const compiled = compile(esmm({ combinesTerms: true }));
    const text = printProgram(compiled, 'pass');
    expect(text.match(/^binaryCrossEntropy /gm)).toHaveLength(2);
    // The second area starts after all weights.
    expect(text).toContain(`g=gradients[${compiled.places.weightsCount}]`);
    expect(compiled.lists.train).toEqual([]);
  });

  it('names rows by their domain: only calls over whole tables have a number', () => {
    const compiled = compile(esmm({ clip: { norm: 1, separate: false }, average: { decay: 0.9 } }));
    const lines = LIST_NAMES.flatMap((list) => printProgram(compiled, list).split('\n'));
    const numbered = lines.filter((line) => /\brows=\d/.test(line)).map((line) => line.split(' ')[0]);
    expect(new Set(numbered)).toEqual(new Set(['exchangeRows']));
    expect(lines.filter((line) => line.includes('rows=batch')).length).toBeGreaterThan(50);
  });
});

describe('pooled items', () => {
  const sequences = [sequenceLayout({ field: 'clicked', table: 'item', width: 4, maxItems: 5 })];

  /** Returns the calls of a step that read items which are pooled by their mean, and perhaps by their maximum. */
  function callsOnItems(others: readonly SegmentPooling[]): string {
    const plan = planOf({ ...LAYOUT, columns: LAYOUT.columns.slice(0, 1), width: 4, sequences }, (g, input, y) => {
      const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, 4);
      const mean = g.segmentPool(items, 'sum', g.input({ kind: 'factors', field: 'clicked', pooling: 'mean' }, 1));
      const out = g.linear(g.concat([input, mean, ...others.map((of) => g.segmentPool(items, of))]), 1, 'out');
      return { predictions: { p: out }, terms: [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }] };
    });
    const calls = printProgram(compile(plan), 'train').split(/\n(?! )/);
    return calls
      .filter((call) => /=(bag|offsets|item ids) clicked/.test(call))
      .map((call) => call.match(/^\w+|\b(?:bag|ids|x|w|y|d|dx|pooling|accumulate)=[^,]+/g)!.join(' '))
      .join('\n');
  }

  it('are summed while they are looked up, in the columns of their only reader', () => {
    expect(callsOnItems([])).toMatchInlineSnapshot(`
      "poolingFactors bag=bag clicked pooling=1
      lookupBags bag=bag clicked y=concat 5[4]
      gatherBagGradients bag=bag clicked d=d concat 5[4]"
    `);
  });

  it('are looked up one by one if other values read them', () => {
    expect(callsOnItems(['max'])).toMatchInlineSnapshot(`
      "lookup ids=item ids clicked y=input 2
      poolingFactors bag=bag clicked pooling=1
      segmentSum x=input 2 w=factors clicked y=concat 6[4]
      segmentMax x=input 2 y=concat 6[8]
      segmentMaxGradient x=input 2 y=concat 6[8] dx=d input 2
      expand x=d concat 6[4] w=factors clicked y=d input 2 accumulate=1
      findRows ids=item ids clicked
      numberRows ids=item ids clicked
      gatherGradients ids=item ids clicked d=d input 2"
    `);
  });

  it('have a maximum number if they are looked up one by one', () => {
    const build = (layout: InputLayout) =>
      planOf(layout, (g, input, y) => {
        const pooled = g.segmentPool(g.input({ kind: 'items', field: 'clicked', table: 'item' }, 4), 'max');
        const out = g.linear(g.concat([input, pooled]), 1, 'out');
        return { predictions: { p: out }, terms: [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }] };
      });
    expect(() => compile(build(LAYOUT))).toThrow("the items of 'clicked' are read one by one");
  });
});

describe('a layer over a row, its items, their difference and their product', () => {
  it('is computed with a matrix for each row', async () => {
    const compiled = compile(planWith(dinOfPaper('sigmoid'), undefined, ['tower'], ALIGNED_LAYOUT));
    const calls = printProgram(compiled, 'train').split(/\n(?! )/);
    const own = calls.filter((call) => /matrix|scaledProduct|combinedLinear/.test(call) && !call.includes(' × '));
    await expect(own.join('\n')).toMatchFileSnapshot('../../golden/programs/din-layer.txt');
  });

  it('is computed from fewer columns on devices without such products', () => {
    const compiled = compile(planWith(dinOfPaper('sigmoid'), undefined, ['tower'], ALIGNED_LAYOUT), { folds: false });
    const text = printProgram(compiled, 'predict');
    expect(text).not.toContain('scaledProduct');
    // The item, the shop, the age and the product, instead of 4 · 6 + 3 + 1 columns.
    expect(text).toMatch(/^gemm .*rows=items\(clicked\), k=16, panels=2/m);
    expect(text).toMatch(/^gemm .*bias=weights\[\d+\], c=combinedLinear \d+, rows=batch, k=6, panels=2/m);
  });
});

describe('a call list', () => {
  it('takes strides and rows from the views of a call', () => {
    const places = new Places(createBuffers(), { values: [], parameters: [], predictions: new Map(), terms: [] });
    const { value: x } = places.columns('x', 5);
    const list = new CallList();
    list.emit('copyColumns', { x, y: places.columns('y', 100).value, width: 5, accumulate: 0 });
    expect(list.calls[0]!.operands.slice(0, 5)).toEqual([x, 8, expect.objectContaining({ ld: 112 }), 112, BATCH]);
  });

  it('rejects operands with rows of two domains', () => {
    const buffers = createBuffers();
    const view = (name: string, rows: Parameters<typeof buffers.take>[2]) => ({
      ...buffers.take(name, 'value', rows, 4),
      ld: 4,
      width: 4,
      columns: 4,
    });
    const list = new CallList();
    const args = { x: view('x', BATCH), y: view('y', { kind: 'items', field: 'clicked' }), width: 4, accumulate: 0 };
    expect(() => list.emit('copyColumns', args)).toThrow('copyColumns: operands have rows of batch and items(clicked)');
  });
});

describe('the weights of a plan', () => {
  it('are one buffer in which each matrix and vector starts a cache line', () => {
    const g = new GraphBuilder();
    const hidden = g.activation(g.linear(g.input({ kind: 'features', begin: 0 }, 3), 5, 'a'), 'prelu', 'p');
    g.linear(hidden, 2, 'b');
    const graph = { values: g.values, parameters: g.parameters, predictions: new Map(), terms: [] };
    const places = new Places(createBuffers(), graph);
    const ranges = g.parameters.map((parameter) => places.range(parameter));
    expect(ranges.every(({ at: { buffer } }) => buffer === places.weights.buffer)).toBe(true);
    expect(ranges.every(({ at: { offset } }) => offset % 16 === 0)).toBe(true);
    const ends = ranges.map(({ at, count }) => at.offset + count);
    expect(places.weightsCount).toBe(Math.ceil(Math.max(...ends) / 16) * 16);
  });
});

describe('a memory plan', () => {
  it('assigns an address to every buffer, aligned and without overlaps', () => {
    const layout = createLayout(esmm());
    const { addresses, bytes } = planMemory(layout.buffers.all, 64, layout.maxRowsOf);
    const spans = layout.buffers.all
      .map((buffer) => {
        const rows = typeof buffer.rows === 'number' ? buffer.rows : layout.maxRowsOf(buffer.rows);
        return { begin: addresses.get(buffer)!, end: addresses.get(buffer)! + rows * buffer.width * WORD };
      })
      .sort((a, b) => a.begin - b.begin || a.end - b.end);
    for (const [i, { begin, end }] of spans.entries()) {
      expect(begin % 64).toBe(0);
      expect(end).toBeLessThanOrEqual(spans[i + 1]?.begin ?? bytes);
    }
  });

  it('stores the largest tables apart, also those of 2^31 rows', () => {
    const buffers = createBuffers();
    const small = buffers.take('small', 'table', 1000, 16);
    const large = buffers.take('large', 'table', 2 ** 31, 16);
    const next = buffers.take('next', 'table', 2 ** 20, 16);
    const { addresses, bytes } = planMemory(buffers.all, 0, () => 1, 2 ** 20);
    expect([small, large, next].map(({ buffer }) => addresses.get(buffer))).toEqual([
      0,
      EXTERNAL_BASE,
      EXTERNAL_BASE + 2 ** 31 * 16 * WORD,
    ]);
    expect(bytes).toBe(1000 * 16 * WORD);
  });

  it('returns words, floats and doubles at an address', () => {
    const buffers = createBuffers();
    buffers.take('first', 'scratch', 1, 3);
    const second = buffers.take('second', 'scratch', 2, 4);
    const image = createImage(
      new ArrayBuffer(256),
      planMemory(buffers.all, 64, () => 1),
    );
    expect(image.wordAt({ ...second, offset: 2 })).toBe((64 + 64) / WORD + 2);
  });
});
