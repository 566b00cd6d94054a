import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Experiment } from '../../src/config/experiment.js';
import { parseConfig } from '../../src/config/load.js';
import { findCheckpoint } from '../../src/runs/find-checkpoint.js';
import { models } from '../../src/models/models.js';
import { proposeConfig, refuseTooMany } from '../../src/importance/propose-config.js';
import { readTrainedModel } from '../../src/trained-model/trained-model.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
let run: string;
/** What overrides leave alone, and what they change; comments of every kind, and options that name fields. */
const CONFIG = `# What this is about.
data: { train: train.csv, valid: valid.csv } # where it lies
features:
  user:
    type: categorical
    fields:
      # who
      - 101
      - { name: 121, width: 2 } # a width of its own
      - 122
    width: 4
    encoding: { name: ids, sizes: { 101: 60, 121: 200, 122: 200 } }
  item: { type: categorical, fields: [205, 206, 207], width: 4, table: { 207: 206 } }
  numbers: { type: numeric, fields: [D508, { name: D509, fillMissing: zero, indicator: true }] }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click } # where it was clicked
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 64 }
`;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-propose-'));
  run = join(world, 'run');
  await smallWorld(world);
  writeFileSync(join(world, 'mine.yaml'), CONFIG);
  await trainSmall(join(world, 'mine.yaml'), {
    runDir: run,
    set: ['training.batchSize=100', 'training.optimizer.dense.learningRate=0.002', 'data.valid=null'],
  });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

/** A config without the last of some fields. */
async function without(
  leftOut: readonly string[],
  options: { readonly count?: number; readonly missed?: string; readonly model?: Experiment['model'] } = {},
) {
  const { experiment: trained } = await readTrainedModel(run);
  const experiment = { ...trained, model: options.model ?? trained.model };
  const names = ['101', '121', '122', '205', '206', '207', 'D508', 'D509'].filter((name) => !leftOut.includes(name));
  const notices: string[] = [];
  const fall = (name: string) =>
    name === options.missed ? { mean: 0.25, low: 0.2, high: 0.3 } : { mean: 0, low: -0.1, high: 0.1 };
  const importances = [...names, ...leftOut.toReversed()].map((name) => ({
    name,
    fields: name === 'D509' ? ['D509', 'D509_missing'] : [name],
    falls: { 'ctr.auc': fall(name) },
  }));
  const proposal = await proposeConfig({
    checkpoint: findCheckpoint(run),
    experiment,
    importances,
    count: options.count ?? leftOut.length,
    onWarning: (text) => notices.push(text),
  });
  return { ...proposal, notices, experiment: parseConfig(proposal.config, join(world, 'elsewhere', 'smaller.yaml')) };
}

describe('a config without what counts least', () => {
  it('keeps comments, what was set for the run, and paths that hold anywhere', async () => {
    const { config, leftOut } = await without(['122', '205', 'D509']);
    expect(leftOut).toEqual(['122', '205', 'D509']);
    expect(config).toBe(`# What this is about.
data: { train: ${join(world, 'train.csv')} } # where it lies
features:
  user:
    type: categorical
    fields:
      # who
      - 101
      - { name: 121, width: 2 } # a width of its own
    width: 4
    encoding: { name: ids, sizes: { 101: 60, 121: 200 } }
  item: { type: categorical, fields: [206, 207], width: 4, table: { 207: 206 } }
  numbers: { type: numeric, fields: [D508] }
tasks:
  ctr: { label: click }
  cvr: { label: purchase, given: click } # where it was clicked
model: { name: esmm, ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } }
training: { epochs: 1, batchSize: 100, optimizer: { dense: { learningRate: 0.002 } } }
`);
  });

  it('trains', async () => {
    const { config } = await without(['121', '205', 'D508']);
    writeFileSync(join(world, 'smaller.yaml'), config);
    await trainSmall(join(world, 'smaller.yaml'), { runDir: join(world, 'smaller') });
    expect((await readTrainedModel(join(world, 'smaller'))).format.fields.map(({ name }) => name)).toEqual([
      '101',
      '122',
      '206',
      '207',
      'D509',
      'D509_missing',
    ]);
  });

  it('has no group that nothing is left of', async () => {
    const { experiment } = await without(['101', '121', '122', 'D508', 'D509']);
    expect(Object.keys(experiment.features)).toEqual(['item']);
  });

  it('has parts of the model read the groups that are left, and keeps what one of them reads alone', async () => {
    const model = models.schema.parse({ name: 'mmoe', input: ['user', 'item'], gate: { input: ['numbers'] } });
    expect((await without(['101', '121', '122'], { model })).experiment.model).toMatchObject({
      input: ['item'],
      gate: { input: ['numbers'] },
    });
    const kept = await without(['D508', 'D509'], { model });
    expect([kept.leftOut, kept.notices]).toEqual([
      ['D508', '207'],
      ['D509 stays: model.gate.input would read nothing'],
    ]);
  });

  it('keeps a field whose table another looks into, and says so, unless that one goes too', async () => {
    const kept = await without(['206', '122'], { count: 1 });
    expect([kept.leftOut, kept.notices]).toEqual([['122'], ['206 stays: 207 shares its table']]);
    expect((await without(['207', '206'])).experiment.features['item']!.fields).toEqual(['205']);
  });

  it('says what is missed of what is left out', async () => {
    expect((await without(['122', '205'], { missed: '205' })).notices).toEqual([
      '205 is left out, though the model uses it: ctr.auc worse by 0.2500',
    ]);
  });

  it('is made of the resolved config where the run did not keep how it was started', async () => {
    const before = readFileSync(join(run, 'config.source.yaml'), 'utf8');
    try {
      // As of a run that went on with another config file: what it says now is not what was trained.
      writeFileSync(join(run, 'config.source.yaml'), before.replace('epochs: 1', 'epochs: 9'));
      const { config, experiment } = await without(['122']);
      expect([
        config.includes('# who'),
        experiment.training.epochs,
        experiment.features['user']!.fields.length,
      ]).toEqual([false, 1, 2]);
      rmSync(join(run, 'config.source.yaml'));
      expect((await without(['122'])).config).toBe(config);
    } finally {
      writeFileSync(join(run, 'config.source.yaml'), before);
    }
  });

  it('has something left', () => {
    expect(() => refuseTooMany(5, 5)).toThrow('--drop-worst: expected fewer than the 5 that there are, found 5');
    expect(() => refuseTooMany(4, 5)).not.toThrow();
  });
});
