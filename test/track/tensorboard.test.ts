/** @module-tag long */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c, encodeRecord, countCompleteBytes } from '../../src/track/records.js';
import { needsPython, python } from '../support/python.js';
import { abortAtStep, smallWorld, trainSmall } from '../support/small-run.js';

const EVENTS = 'events.out.tfevents.0.mtl';
const SET = ['training.logEverySteps=3', 'training.diagnostics.everySteps=7', 'checkpoints.everySteps=4'];

let world: string;
const before = process.cwd();
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-tensorboard-'));
  await smallWorld(world);
  process.chdir(world);
});
afterAll(() => {
  process.chdir(before);
  rmSync(world, { recursive: true, force: true });
});

/** The data of the records of a file, each held against both of its checksums. */
function recordsOf(path: string): readonly Buffer[] {
  const bytes = readFileSync(path);
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const data = bytes.subarray(at + 12, at + 12 + Number(bytes.readBigUInt64LE(at)));
    expect(encodeRecord(data).equals(bytes.subarray(at, at + 16 + data.length))).toBe(true);
    records.push(data);
    at += 16 + data.length;
  }
  return records;
}

/** An event without the 8 bytes of its time, with which it begins. */
const withoutTime = (record: Buffer): string => record.subarray(9).toString('latin1');
/** Events of numbers that a clock has no part in. */
const timeless = (path: string): readonly string[] =>
  recordsOf(path)
    .map(withoutTime)
    .filter((text) => !text.includes('rows_per_second') && !text.includes('session_'));

describe('records', () => {
  it('match the CRC-32C of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  it('are counted up to the last complete one', () => {
    const two = Buffer.concat([encodeRecord(Buffer.from('one')), encodeRecord(Buffer.from('second'))]);
    for (let cut = 0; cut <= two.length; cut++)
      expect(countCompleteBytes(two.subarray(0, cut))).toBe(cut === two.length ? cut : cut >= 19 ? 19 : 0);
  });
});

describe('the event file of a run', () => {
  it('is written by default, and not if disabled', async () => {
    const { run } = await trainSmall('esmm.yaml', { runDir: 'default', set: ['training.epochs=1'] });
    expect(recordsOf(join(run, EVENTS)).length).toBeGreaterThan(3);
    const { run: without } = await trainSmall('esmm.yaml', {
      runDir: 'without',
      set: ['training.epochs=1', 'loggers.tensorboard=false'],
    });
    expect(existsSync(join(without, EVENTS))).toBe(false);
  });

  it('repeats and loses no step after a stop with a torn end and a resume', async () => {
    await trainSmall('esmm.yaml', { runDir: 'straight', set: SET });
    await trainSmall('esmm.yaml', { runDir: 'torn', set: SET, ...abortAtStep(13) });
    const path = join('torn', EVENTS);
    // What a kill leaves: events behind the last checkpoint, and half a record.
    appendFileSync(
      path,
      Buffer.concat([
        encodeRecord(Buffer.from('behind the checkpoint')),
        encodeRecord(Buffer.from('torn')).subarray(0, 9),
      ]),
    );
    await trainSmall('esmm.yaml', { resume: 'torn', set: SET, ...abortAtStep(20) });
    await trainSmall('esmm.yaml', { resume: 'torn', set: SET });
    expect(timeless(path)).toEqual(timeless(join('straight', EVENTS)));
  });

  it('begins again if a resumed run has no file or a shorter one', async () => {
    await trainSmall('esmm.yaml', { runDir: 'cut', set: SET, ...abortAtStep(13) });
    const path = join('cut', EVENTS);
    const whole = recordsOf(path).length;
    truncateSync(path, readFileSync(path).length - 5);
    await trainSmall('esmm.yaml', { resume: 'cut', set: SET, ...abortAtStep(1) });
    expect(recordsOf(path).length).toBeGreaterThanOrEqual(whole - 1);
    rmSync(path);
    await trainSmall('esmm.yaml', { resume: 'cut', set: SET });
    expect(withoutTime(recordsOf(path)[0]!)).toContain('brain.Event:2');
  });

  it('may be disabled or enabled on resume', async () => {
    await trainSmall('esmm.yaml', {
      runDir: 'changing',
      set: [...SET, 'loggers.tensorboard=false'],
      ...abortAtStep(13),
    });
    await trainSmall('esmm.yaml', { resume: 'changing', set: SET, ...abortAtStep(5) });
    const records = recordsOf(join('changing', EVENTS)).length;
    expect(records).toBeGreaterThan(2);
    await trainSmall('esmm.yaml', { resume: 'changing', set: [...SET, 'loggers.tensorboard=false'] });
    expect(recordsOf(join('changing', EVENTS)).length).toBe(records);
  });

  it("is read by TensorBoard's own reader", async (context) => {
    needsPython(context, 'tensorboard');
    const { run } = await trainSmall('mmoe.yaml', { runDir: 'read', set: SET });
    const found = JSON.parse(python(world, READER, [run])) as Found;
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    const single = (value: number): number => Math.fround(value);
    const steps = lines.filter(({ lrFactors }) => lrFactors !== undefined);
    expect(found.scalars['train/loss']).toEqual(steps.map(({ step, train }) => [step, single(train!.loss)]));
    const valid = lines.filter(({ valid: measured }) => measured !== undefined);
    expect(found.scalars['valid/ctcvr.auc']).toEqual(
      valid.map(({ step, valid: measured }) => [step, single(measured!.metrics['ctcvr']!['auc']!)]),
    );
    expect(found.scalars['gradient_cosine/ctr.cvr']!.length).toBe(
      lines.filter(({ diagnosis }) => diagnosis !== undefined).length,
    );
    const { rows } = valid[0]!.valid!.metrics['ctr']! as unknown as { rows: number };
    const [[step, histogram]] = found.histograms['valid/ctr.predictions']! as [
      [number, { num: number; sum: number; bucket: number[]; bucket_limit: number[] }],
    ];
    expect([step, histogram.num, histogram.bucket.reduce((a, b) => a + b, 0)]).toEqual([valid[0]!.step, rows, rows]);
    expect(histogram.bucket_limit).toEqual([...histogram.bucket_limit].sort((a, b) => a - b));
    expect(found.hparams).toMatchObject({ 'model.name': 'mmoe', 'training.epochs': 4, 'training.shuffle': true });
    expect(found.status).toBe(1);
  });
});

interface Line {
  readonly step: number;
  readonly lrFactors?: object;
  readonly diagnosis?: object;
  readonly train?: { readonly loss: number };
  readonly valid?: { readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>> };
}

interface Found {
  readonly scalars: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  readonly histograms: Readonly<Record<string, unknown>>;
  readonly hparams: Readonly<Record<string, unknown>>;
  readonly status: number;
}

const READER = `
import json, sys
from google.protobuf.json_format import MessageToDict
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata
acc = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'histograms': 0, 'tensors': 0})
acc.Reload()
tags = acc.Tags()
def histo(value):
  buckets = {'bucket': list(value.bucket), 'bucket_limit': list(value.bucket_limit)}
  return {'num': value.num, 'sum': value.sum, **buckets}
content = lambda tag: acc.SummaryMetadata(tag).plugin_data.content
start = metadata.parse_session_start_info_plugin_data(content('_hparams_/session_start_info'))
end = metadata.parse_session_end_info_plugin_data(content('_hparams_/session_end_info'))
print(json.dumps({
  'scalars': {tag: [[e.step, e.value] for e in acc.Scalars(tag)] for tag in tags['scalars']},
  'histograms': {tag: [[e.step, histo(e.histogram_value)] for e in acc.Histograms(tag)] for tag in tags['histograms']},
  'hparams': {key: MessageToDict(value) for key, value in start.hparams.items()},
  'status': end.status,
}))
`;
