/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { init, type InitOptions } from '../../src/init.js';
import { randomStream } from '../../src/core/random.js';
import { scratchFolder } from '../support/scratch.js';

const home = process.cwd();
beforeEach(() => process.chdir(scratchFolder()));
afterEach(() => process.chdir(home));

const CATEGORIES = Array.from({ length: 24 }, (_, i) => `Home & Garden ${i}`);

/**
 * Writes a shop's log: a click, the number of items put into the cart and a payment, each only after the previous one;
 * columns known only after an event; and lists of categories, separated and as JSON.
 */
function writeLog(path: string): void {
  const random = randomStream(3, 'shop log');
  const category = (): string => CATEGORIES[random.below(CATEGORIES.length)]!;
  const header =
    'row,shop,at,user_id,item_id,category,seen,liked,price,level,click,cart_cnt,paid,pay_amount,dwell_time,' +
    'clicked_copy';
  const lines = Array.from({ length: 2000 }, (_, row) => {
    const click = random.uniform() < 0.4;
    const carts = click && random.uniform() < 0.5 ? 1 + random.below(4) : 0;
    const paid = carts > 0 && random.uniform() < 0.5;
    const list = (): string[] => Array.from({ length: random.below(5) }, category);
    return [
      row,
      'shop',
      `2026-11-${String(1 + (row % 9)).padStart(2, '0')} 1${row % 10}:00`,
      `u${random.below(80)}`,
      `i${random.below(60)}`,
      category(),
      list().join('|'),
      `"${JSON.stringify(list()).replaceAll('"', '""')}"`,
      random.uniform() < 0.95 ? 0 : (1 + 200 * random.uniform()).toFixed(2),
      random.below(12),
      Number(click),
      click ? carts : '',
      carts > 0 ? Number(paid) : '',
      paid ? (5 + 90 * random.uniform()).toFixed(2) : '',
      click ? (1 + 50 * random.uniform()).toFixed(1) : 0,
      Number(click),
    ].join(',');
  });
  writeFileSync(path, `${[header, ...lines].join('\n')}\n`);
}

const OPTIONS: InitOptions = {
  data: 'log.csv',
  valid: undefined,
  test: undefined,
  model: undefined,
  labels: [],
  out: undefined,
  force: true,
};

interface Config {
  readonly features: Record<string, { type: string; fields: string[]; table?: string; scaling?: unknown }>;
  readonly tasks: Record<string, object>;
  readonly model: { name: string; wide: boolean };
}

async function propose(options: Partial<InitOptions> = {}) {
  writeLog('log.csv');
  const result = await init({ ...OPTIONS, ...options });
  const text = readFileSync(result.config, 'utf8');
  return { ...result, text, yaml: parse(text) as Config };
}

describe("mtl init on a shop's log", () => {
  it('orders click, cart and payment into a funnel, and a count is positive above 0', async () => {
    const { yaml, text } = await propose();
    expect(yaml.tasks).toEqual({
      ctr: { label: 'click' },
      cart_cnt: { label: { column: 'cart_cnt', above: 0 }, given: 'ctr' },
      cvr: { label: 'paid', given: 'cart_cnt' },
    });
    expect(yaml.model).toMatchObject({ name: 'esmm', wide: true });
    expect(text).toContain('monitor: ctcvr.auc');
  });

  it('excludes columns known only after an event, copies, constants and row ids, with the reason', async () => {
    const { leftOut, text } = await propose();
    expect(leftOut).toEqual({
      row: 'a different value in each of 2,000 rows',
      shop: 'constant',
      pay_amount: 'missing or 0 unless paid is positive, so recorded after it',
      dwell_time: 'missing or 0 unless click is positive, so recorded after it',
      clicked_copy: expect.stringMatching(/^missing or 0 unless click is positive/) as string,
    });
    for (const [name, reason] of Object.entries(leftOut)) expect(text).toContain(`# excluded: ${name}: ${reason}`);
  });

  it('accepts a count as a named label, alone and in a funnel', async () => {
    const cart = { column: 'cart_cnt', above: 0 };
    expect((await propose({ labels: ['cart_cnt'] })).yaml.tasks).toEqual({
      cart_cnt: { label: cart, onMissing: 'mask' },
    });
    expect((await propose({ labels: ['paid', 'cart_cnt', 'click'] })).yaml.tasks).toEqual({
      ctr: { label: 'click' },
      cart_cnt: { label: cart, given: 'ctr' },
      cvr: { label: 'paid', given: 'cart_cnt' },
    });
  });

  it('excludes later events if only the first label is named', async () => {
    const { leftOut, yaml } = await propose({ labels: ['click'] });
    expect(Object.keys(yaml.tasks)).toEqual(['ctr']);
    expect(leftOut['paid']).toBe(
      'missing or 0 unless click is positive, so recorded after it; --label paid predicts it',
    );
    expect(leftOut['cart_cnt']).toBe('missing or 0 unless click is positive, so recorded after it');
  });

  it('reads lists in any notation as sequences that are compared with the category', async () => {
    const { yaml } = await propose();
    // Their lengths differ.
    expect(yaml.features['histories']).toMatchObject({ fields: [{ name: 'seen', target: 'category' }] });
    expect(yaml.features['histories2']).toMatchObject({ fields: [{ name: 'liked', target: 'category' }] });
    expect(Object.values(yaml.features).filter(({ type }) => type === 'bag')).toEqual([]);
  });

  it('compares the category with each list of categories, and counts distinct items', async () => {
    const { yaml, text } = await propose();
    expect(yaml.features['matches']).toEqual({
      type: 'match',
      encoding: { name: 'piecewise-linear', width: 8 },
      fields: [
        { candidate: 'category', history: 'seen' },
        { candidate: 'category', history: 'liked' },
      ],
    });
    expect(text).toMatch(
      /name: seen, target: category \} +# 24 distinct, up to 4 per row, [\d.]+% missing, as in "Home & Garden/,
    );
    expect(text).toMatch(/name: liked, target: category \} +# 24 distinct, up to 4 per row, as in "\[\\"Home & Garden/);
  });

  it('represents numbers as scaled values', async () => {
    const { yaml } = await propose();
    const typesOf = (name: string): string[] =>
      Object.values(yaml.features).flatMap(({ type, fields, scaling }) =>
        fields.includes(name) ? [`${type} ${JSON.stringify(scaling ?? null)}`] : [],
      );
    expect(typesOf('price')).toEqual(['numeric ["log1p","standard"]']);
    expect(typesOf('user_id')).toEqual(['categorical null']);
    expect(typesOf('at')).toEqual(['date null']);
  });

  it('proposes a valid config for each model that supports the tasks', async () => {
    for (const model of [
      'esmm',
      'aitm',
      'mmoe',
      'ple',
      'fm',
      'dcn',
      'single-task',
      'shared-bottom',
      'stem',
      'escm2-dr',
    ])
      expect((await propose({ model })).yaml.model).toMatchObject({ name: model });
  });

  it('adds a curve to each number whose effect is not a straight line', async () => {
    const random = randomStream(7, 'curved log');
    const lines = Array.from({ length: 8000 }, () => {
      const [bent, straight, spent] = [random.uniform(), random.uniform(), Math.max(0, 5 * random.uniform() - 4)];
      const logOdds = 8 * (bent - 0.5) ** 2 + 2 * straight + (spent > 0.5 ? 2 : 0) - 2;
      const click = random.uniform() < 1 / (1 + Math.exp(-logOdds));
      return [bent, straight, spent].map((number) => number.toFixed(4)).join(',') + `,${Number(click)}`;
    });
    writeFileSync('curved.csv', `${['bent,straight,spent,click', ...lines].join('\n')}\n`);
    const { config } = await init({ ...OPTIONS, data: 'curved.csv' });
    const { features } = parse(readFileSync(config, 'utf8')) as Config;
    const curved = Object.values(features).filter(({ type }) => type === 'piecewise-linear');
    expect(curved.flatMap(({ fields }) => fields)).toEqual(['bent', 'spent']);
  });

  it('combines the columns that matter only together, and no others', async () => {
    const random = randomStream(5, 'crossed log');
    const lines = Array.from({ length: 8000 }, () => {
      const [season, article, color] = [random.below(4), random.below(6), random.below(5)];
      const click = random.uniform() < ((season + article) % 2 === 0 ? 0.6 : 0.2);
      return `s${season},a${article},c${color},${random.uniform().toFixed(3)},${Number(click)}`;
    });
    writeFileSync('crossed.csv', `${['season,article,color,price,click', ...lines].join('\n')}\n`);
    const { config } = await init({ ...OPTIONS, data: 'crossed.csv' });
    const { features } = parse(readFileSync(config, 'utf8')) as Config;
    expect(features['crosses']).toMatchObject({ type: 'cross', fields: [['season', 'article']] });
    writeLog('log.csv');
    const plain = await init(OPTIONS);
    expect((parse(readFileSync(plain.config, 'utf8')) as Config).features).not.toHaveProperty('crosses');
  });
});
