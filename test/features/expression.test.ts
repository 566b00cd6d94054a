import { column } from '../../src/core/batch.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { rowsOfObjects, type Row } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { encodedFields, featureTypes, createFields } from '../../src/features/feature-types.js';
import { listInputs } from '../../src/features/model-input.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

/** Number of missing results. */
const MISSING = -999;
const encodedFieldsOf = (expression: string, options: object = {}) =>
  encodedFields(
    createFields([
      featureTypes.schema.parse({
        type: 'expression',
        encoding: { name: 'numeric', fillMissing: MISSING },
        fields: [{ name: 'x', expression }],
        ...options,
      }),
    ]),
    {},
  );

/** Evaluates an expression on rows; returns the numbers and the problems. */
function evaluate(expression: string, rows: readonly Row[], options: object = {}) {
  const { batches, problems } = new ObjectReader(encodedFieldsOf(expression, options)).read(rowsOfObjects(rows));
  const numbers = [...batches].flatMap(({ batch }) => [...column(batch, 'x', 'f32').data.subarray(0, batch.rows)]);
  return { numbers, problems: problems.list().flatMap(({ problems: own }) => own.map(({ message }) => message)) };
}

describe('an expression', () => {
  const row = {
    a: 6,
    b: 4,
    zero: '0',
    none: null,
    city: 'Berlin',
    at: '2026-11-02T12:00:00Z',
    before: '2026-11-01',
    zoned: '2026-11-02T12:00:00+02:00',
    tags: 'p|q|r|p',
    liked: ['q', 'r', 's'],
    empty: '',
    205: 3,
    'user.id': 9,
  };
  it.each([
    ['a + b * 2', 14],
    ['(a + b) * 2', 20],
    ['a - b - 1', 1],
    ['a / b / 2', 0.75],
    ['-a * -b', 24],
    ['2 - -a', 8],
    ['1.5e1 + .5 + zero', 15.5],
    ['a / zero', MISSING],
    ['a + none', MISSING],
    ['log(a - 5)', 0],
    ['log(zero)', MISSING],
    ['log1p(zero)', 0],
    ['sqrt(b)', 2],
    ['sqrt(-b)', MISSING],
    ['abs(b - a)', 2],
    ['min(a, b, 5)', 4],
    ['max(a, none)', MISSING],
    ['clip(a, 0, 5)', 5],
    ['clip(-a, 0, 5)', 0],
    ['if(a > b, 1, none)', 1],
    ['if(none > b, 1, 2)', MISSING],
    ['a > b and b >= 4', 1],
    ['a <= b or not (a == 6)', 0],
    ['a != b and none > 1', MISSING],
    ['zero == 1 and none > 1', 0],
    ['b < a or none > 1', 1],
    ['not a == 6', 0],
    ['missing(none) + missing(a)', 1],
    ['coalesce(none, zero / zero, b)', 4],
    ["city == 'Berlin'", 1],
    ["city != 'Paris'", 1],
    ["none == 'Paris'", MISSING],
    ['days(at, before)', 1.5],
    ['hours(at, zoned)', 2],
    ['seconds(before, at)', -129_600],
    ['days(at, none)', MISSING],
    ['size(tags)', 3],
    ['overlap(tags, liked)', 2],
    ['jaccard(tags, liked)', 0.5],
    ['overlap(tags, empty)', 0],
    ['jaccard(empty, none)', MISSING],
    ['`205` * user.id', 27],
    ['a * 1e300 * 1e300', MISSING],
  ])('computes %s', (expression, expected) => {
    expect(evaluate(expression, [row])).toEqual({ numbers: [expected], problems: [] });
  });

  it('has the values of the same arithmetic in the order of its parentheses', () => {
    type Node = number | 'a' | 'b' | readonly [sign: '+' | '-' | '*' | '/', left: Node, right: Node];
    const { node } = fc.letrec<{ node: Node }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom<Node>('a', 'b', 2, 0.5, 3),
        fc.tuple(fc.constantFrom('+', '-', '*', '/'), tie('node'), tie('node')),
      ),
    }));
    const values: Readonly<Record<string, number>> = { a: 7, b: 0 };
    const write = (of: Node): string =>
      typeof of === 'object' ? `(${write(of[1])} ${of[0]} ${write(of[2])})` : String(of);
    const compute = (of: Node): number => {
      if (typeof of !== 'object') return typeof of === 'string' ? values[of]! : of;
      const [left, right] = [compute(of[1]), compute(of[2])];
      if (of[0] === '/') return right === 0 ? NaN : left / right;
      return { '+': left + right, '-': left - right, '*': left * right }[of[0]];
    };
    fc.assert(
      fc.property(node, (of) => {
        const expected = compute(of);
        const isFinite = Number.isFinite(Math.fround(expected));
        const { numbers } = evaluate(`0 * a + ${write(of)}`, [values]);
        expect(numbers).toEqual([isFinite ? Math.fround(expected) + 0 : MISSING]);
      }),
      { numRuns: 200 },
    );
  });

  it('rejects values of another type, and ignores null values', () => {
    expect(evaluate('a + 1', [{ a: 'x' }]).problems).toEqual([expect.stringContaining('a decimal number') as string]);
    expect(evaluate('days(a, b)', [{ a: 'x', b: '2026-11-01' }]).problems).toEqual([
      expect.stringContaining('a date such as 2026-11-01') as string,
    ]);
    const cells = { nullValues: ['?', -1], trim: true };
    expect(
      evaluate(
        'coalesce(a, 5) + missing(b)',
        [
          { a: ' ?', b: -1 },
          { a: ' 2 ', b: 1 },
        ],
        cells,
      ),
    ).toEqual({
      numbers: [6, 2],
      problems: [],
    });
  });

  it('names itself if its result is missing and has no fill', () => {
    const encoding = { encoding: { name: 'numeric' } };
    expect(evaluate('a / size(tags)', [{ a: 7, tags: [] }], encoding).problems).toEqual([
      'expected a decimal number from a / size(tags), found [7,[]]',
    ]);
  });

  it('asks for columns of the types of its arguments', () => {
    expect(listInputs(encodedFieldsOf("if(city == 'a', price, size(tags)) + days(at, at)"))).toEqual([
      { name: 'city', holds: 'text' },
      { name: 'price', holds: 'number' },
      { name: 'tags', holds: 'bag' },
      { name: 'at', holds: 'text' },
    ]);
  });

  it.each([
    ['lgo(a)', "unknown function 'lgo'; did you mean 'log'? at character 1"],
    ['1 + constructor(a)', "unknown function 'constructor'; use one of log, "],
    ['a +', 'expected a number, a column or a function, found the end at character 4'],
    ['(a', 'expected ), found the end at character 3'],
    ['a b', 'expected an operator, found b at character 3'],
    ['a constructor 2', 'expected an operator, found constructor at character 3'],
    ['a $ 2', 'unexpected "$" at character 3'],
    ['log(a, 2)', 'log expects 1 arguments, found 2 at character 1'],
    ['min(a)', 'min expects at least 2 arguments, found 1 at character 1'],
    ["log('a')", 'expected a number, found text "a" at character 5'],
    ['size(a + 1)', 'expected a column of lists, found the number of + at character 8'],
    ['1 + 2', 'expected an expression with at least one column'],
    ['('.repeat(200), 'more than 100 nested operations at character'],
  ])('rejects %s with its place', (expression, message) => {
    const config =
      'data: { train: t.csv }\nfeatures:\n  g:\n    type: expression\n    fields:\n' +
      `      - { name: x, expression: ${JSON.stringify(expression)} }\n` +
      'tasks: { ctr: { label: click } }\nmodel: { name: mmoe }\n';
    const read = (): unknown => parseConfig(config, 'c.yaml');
    expect(read).toThrow(message);
    expect(read).toThrow(/c\.yaml:6:\d+: features\.g\.fields\.0\.expression/);
  });
});

describe('a model with an expression', { tags: ['long'] }, () => {
  it('learns from it, and predicts the same for files and programs', async () => {
    const cwd = scratchFolder();
    const line = (i: number): string => {
      const [clicks, shows] = [(i * 7) % 23, (i * 13) % 31];
      const rate = shows === 0 ? 0 : clicks / shows;
      return `${Number(rate > 0.6)},${clicks},${shows}`;
    };
    const csv = (begin: number): string =>
      `click,clicks,shows\n${Array.from({ length: 2000 }, (_, i) => line(begin + i)).join('\n')}\n`;
    for (const [s, split] of ['train', 'valid', 'test'].entries()) writeFileSync(join(cwd, `${split}.csv`), csv(s));
    writeFileSync(
      join(cwd, 'c.yaml'),
      'data: { train: train.csv, valid: valid.csv, test: test.csv }\n' +
        'features: { rates: { type: expression, fields: [{ name: rate, expression: clicks / shows }] } }\n' +
        'tasks: { ctr: { label: click } }\nmodel: { name: single-task, tower: { hidden: [8], batchNorm: false } }\n' +
        'training: { epochs: 6, batchSize: 64, optimizer: { dense: { learningRate: 0.01 }, ' +
        'embeddings: { learningRate: 0.05 } } }\n',
    );
    const { stdout, stderr } = await mtl(cwd, ['train', 'c.yaml', '--json', '--run-dir', 'run']);
    expect(stderr).not.toContain('error');
    const { metrics } = JSON.parse(stdout) as { metrics: { test: { ctr: { auc: number } } } };
    expect(metrics.test.ctr.auc).toBeGreaterThan(0.99);

    const { code } = await mtl(cwd, ['predict', 'run', '--data', 'test.csv', '--out', 'predicted.csv']);
    expect(code).toBe(0);
    const [head, ...lines] = readFileSync(join(cwd, 'predicted.csv'), 'utf8').trimEnd().split('\n');
    const model = await loadModel(join(cwd, 'run'));
    const rows = Array.from({ length: 2000 }, (_, i) => line(2 + i).split(','));
    const own = model.predict(rows.map(([, clicks, shows]) => ({ clicks: Number(clicks), shows: shows! })))['ctr']!;
    model.dispose();
    const column = head!.split(',').indexOf('ctr');
    for (const [i, each] of lines.entries()) expect(own[i]).toBeCloseTo(Number(each.split(',')[column]), 5);
  });
});
