import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { delays } from '../../src/delay/delays.js';

const DELAY = 'delay: { method: es-dfm, from: at, event: bought, window: 7d }';
const CVR = `cvr: { label: buy, given: click, ${DELAY} }`;
const configOf = (tasks: readonly string[], more = 'training: { shuffle: false }', model = 'mmoe'): string =>
  `data: { train: a.csv }
features:
  f: { type: categorical, fields: [id] }
tasks:
${tasks.map((line) => `  ${line}\n`).join('')}model: { name: ${model} }
${more}`;
const CTR = 'ctr: { label: click }';

describe('delayed labels in a config', () => {
  it.each(delays.names)('%s has defaults for its own options', (method) => {
    const task = CVR.replace('es-dfm', method);
    const { tasks } = parseConfig(configOf([CTR, task]), 'good.yaml');
    expect(tasks['cvr']!.delay).toMatchObject({ method, from: 'at', event: 'bought', window: '7d', format: 'iso' });
  });

  it.each([
    ['shuffled rows', [CTR, CVR], '', 'training.shuffle: delay of "cvr" replays the training set in order of time'],
    [
      'several epochs',
      [CTR, CVR],
      'training: { shuffle: false, epochs: 2 }',
      'training.epochs: delay of "cvr" replays the training set once; set it to 1',
    ],
    [
      'a wait beyond the window',
      [CTR, CVR.replace('7d', '1h, wait: 2h')],
      undefined,
      'tasks.cvr.delay: waits longer than window',
    ],
    ['an empty window', [CTR, CVR.replace('7d', '0d')], undefined, 'tasks.cvr.delay.window: expected more than 0'],
    [
      'a regression',
      [CTR, CVR.replace('label: buy', 'label: buy, type: regression')],
      undefined,
      'tasks.cvr.delay: requires a classification',
    ],
    [
      'a loss',
      [CTR, CVR.replace('label: buy', 'label: buy, loss: focal')],
      undefined,
      'tasks.cvr.loss: cannot be combined with delay',
    ],
    [
      'weighted positives',
      [CTR, CVR.replace('label: buy', 'label: buy, positiveWeight: 2')],
      undefined,
      'tasks.cvr.positiveWeight: cannot be combined with delay; remove it',
    ],
    [
      'a label that is also a parent',
      [CTR, CVR, 'return: { label: back, given: buy }'],
      undefined,
      'tasks.cvr.delay: its label is also read by task "return"',
    ],
    [
      'two orders of time',
      [CTR, CVR, 'cart: { label: cart, given: click, delay: { method: wait, from: seen, event: put, window: 7d } }'],
      undefined,
      'tasks.cart.delay.from: expected "at" as for "cvr"',
    ],
    [
      'the time of the conversion as a feature',
      [CTR, CVR.replace('bought', 'id')],
      undefined,
      "features.f.fields.0: column 'id' is a label and would leak the answer",
    ],
    [
      'sampled negatives of the label',
      [CVR.replace('given: click, ', '')],
      'training: { shuffle: false }\ndata: { train: a.csv, negativeSampling: { rate: 0.5 } }',
      'data.negativeSampling: cannot sample negatives of a delayed label',
    ],
  ] as const)('rejects %s', (_, tasks, more, message) => {
    const text = configOf(tasks, more);
    const unique = more?.includes('data:') === true ? text.replace('data: { train: a.csv }\n', '') : text;
    expect(() => parseConfig(unique, 'bad.yaml')).toThrow(message);
  });

  it.each(['esmm', 'aitm'])('rejects a funnel that multiplies or compares probabilities: %s', (model) => {
    expect(() => parseConfig(configOf([CTR, CVR], undefined, model), 'bad.yaml')).toThrow(`tasks.cvr.delay: ${model} `);
  });
});
