/** @module-tag long */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as bottoms from '../../src/bottoms/all.js';
import { models } from '../../src/models/models.js';
import { encoders } from '../../src/sequences/encoders.js';
import { readTrainedModel } from '../../src/trained-model/trained-model.js';
import { writeLog } from '../support/click-log.js';
import { trainSmall } from '../support/small-run.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-sequence-models-'));
  writeLog(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Trains the config of the log with a model. */
const train = (model: string, set: readonly string[] = []) =>
  trainSmall(join(folder, 'log.yaml'), {
    runDir: join(folder, 'runs', `${model} ${set.join(' ')}`.replaceAll(/\W+/g, '_')),
    set: [`model=${model}`, 'training.epochs=1', ...set],
  });

describe('a sequence', () => {
  it.each([
    ...models.names.flatMap((name) => [`{ name: ${name} }`, `{ name: ${name}, wide: true }`]),
    ...Object.values(bottoms).map(({ name }) => `{ name: esmm, bottom: { name: ${name} } }`),
  ])('trains in the model %s', async (model) => {
    const { end, metrics } = await train(model);
    expect(end).toBe('finished');
    expect(Object.keys(metrics.valid ?? {})).toEqual(expect.arrayContaining(['ctr', 'cvr']));
  });

  it.each(encoders.names)('trains in every kind of model with the encoder %s', async (encoder) => {
    for (const model of ['{ name: mmoe }', '{ name: esmm, bottom: { name: dcn } }']) {
      const { end } = await train(model, [`features.clicks.encoder=${encoder}`]);
      expect(end, model).toBe('finished');
    }
  });

  it('is the only input of a part of a model, of all of a model, and no input of another part', async () => {
    for (const model of [
      '{ name: mmoe, gate: { input: [clicks] } }',
      '{ name: esmm, bottom: { name: dcn, input: [clicks] } }',
      '{ name: esmm, bottom: { name: fm, input: [ids, cate] } }',
    ])
      expect((await train(model)).end).toBe('finished');
    const alone =
      'fields: [{ name: hist_item, encoding: tokens }, { name: hist_price, scaling: log1p }], encoder: self-attention';
    const { end } = await train('{ name: mmoe }', [`features={ clicks: { type: sequence, ${alone} } }`]);
    expect(end).toBe('finished');
  });

  it('has no weights in the wide part', async () => {
    const { run } = await train('{ name: esmm, wide: true }', ['name=wide']);
    const { layout } = await readTrainedModel(run);
    expect(layout.tables.flatMap(({ name, isWide }) => (isWide === true ? [name] : []))).toEqual([
      'wide.user',
      'wide.item',
      'wide.cate',
    ]);
  });

  it('is no input of the logistic baseline, which reads ids also without numbers', async () => {
    const { baseline } = await train('{ name: esmm }', ['features.price=null']);
    expect(baseline).toMatchObject({ name: 'logistic', split: 'test' });
  });

  it.each([
    [
      'features.ids.compression={ name: low-rank, dim: 2 }',
      "features.clicks.fields.0.target: the table of 'item' is compressed, so it cannot be shared",
    ],
    [
      'model.wide.input=[clicks]',
      'model.wide.input: has no ids and no numbers to read, since items of sequences have no wide weights; ' +
        'add another group',
    ],
    [
      'model={ name: esmm, bottom: { name: fm, input: [clicks] } }',
      'model: fm requires embeddings, but its input has only numbers; use type bucketized, ' +
        'piecewise-linear or periodic, or add groups to input',
    ],
  ])('is rejected with %s', async (set, message) => {
    await expect(train('{ name: esmm }', [set])).rejects.toThrow(message);
  });
});
