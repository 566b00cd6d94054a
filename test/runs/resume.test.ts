/** @module-tag long */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../support/small-run.js';
import { scratchFolder } from '../support/scratch.js';

let world: string;
const whole = new Map<string, Record<string, string>>();
const configOf = (model: string): string => join(world, `${model}.yaml`);

beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-resume-'));
  await smallWorld(world);
  for (const model of ['esmm', 'mmoe']) {
    const runDir = join(world, `whole-${model}`);
    await trainSmall(configOf(model), { runDir });
    whole.set(model, traceOf(runDir));
  }
}, 60_000);

const home = process.cwd();
let cwd: string;
beforeEach(() => process.chdir((cwd = scratchFolder())));
afterEach(() => process.chdir(home));

describe('an interrupted run', () => {
  // An epoch has 15 batches: within the first, at its end, within another, at the very end.
  it.each(
    ['esmm', 'mmoe'].flatMap(
      (model) =>
        [
          [model, [3, 17, 1]],
          [model, [15, 15]],
          [model, [1, 29, 30]],
        ] as const,
    ),
  )('%s is bitwise identical after stops at steps %j', async (model, stops) => {
    const notices: string[] = [];
    for (const [i, count] of stops.entries()) {
      const { signal, on } = abortAtStep(count);
      const { end } = await trainSmall(configOf(model), {
        runDir: 'run',
        resume: i === 0 ? undefined : 'run',
        signal,
        on,
      });
      expect(end).toBe('interrupted');
    }
    await trainSmall(configOf(model), { resume: 'run', on: { onWarning: (notice) => notices.push(notice) } });
    expect(traceOf('run')).toEqual(whole.get(model));
    const steps = stops.reduce((sum, count) => sum + count, 0);
    expect(notices.join()).toContain(`run/checkpoints/step-${String(steps).padStart(8, '0')}`);
    expect(notices.join()).toContain(`after ${steps} steps: ${Math.floor((steps - 1) / 15)} completed epochs`);
  });

  it('resumes from the last save and discards everything after it', async () => {
    const { signal, on } = abortAtStep(36);
    await trainSmall(configOf('esmm'), { runDir: 'run', signal, on });
    // As a kill would leave it: saved at step 36, further epochs told in the log, a write cut short, a lock of nobody.
    appendFileSync('run/metrics.jsonl', '{"epoch":3,"st');
    mkdirSync('run/checkpoints/.step-00000037.1-1.tmp');
    writeFileSync('run/checkpoints/.step-00000037.1-1.tmp/weights.safetensors', 'x');
    writeFileSync('run/.run.lock.1.tmp', '');
    writeFileSync(
      'run/run.lock',
      JSON.stringify({ pid: 2 ** 22 + 1, host: (await import('node:os')).hostname(), startedAt: '', process: null }),
    );
    await trainSmall(configOf('esmm'), { resume: 'run' });
    expect(traceOf('run')).toEqual(whole.get('esmm'));
    expect(readdirSync('run/checkpoints').filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readdirSync('run').filter((name) => name.includes('run.lock'))).toEqual([]);
  });

  it('skips a damaged checkpoint with a warning and uses the one before', async () => {
    const { signal, on } = abortAtStep(18);
    await trainSmall(configOf('mmoe'), { runDir: 'run', signal, on });
    appendFileSync('run/checkpoints/step-00000018/optimizer.safetensors', 'x');
    await expect(trainSmall(configOf('mmoe'), { resume: 'run', set: ['seed=5'] })).rejects.toThrow(
      /seed: the run was trained with 11, but it is now 5/,
    );
    const notices: string[] = [];
    await trainSmall(configOf('mmoe'), { resume: 'run', on: { onWarning: (notice) => notices.push(notice) } });
    expect(notices[0]).toMatch(
      /step-00000018\/optimizer\.safetensors: expected \d+ bytes as in the manifest; the file has \d+.*: skipping this checkpoint and using an older one/,
    );
    expect(notices[1]).toMatch(/resumed run\/checkpoints\/step-00000016/);
    expect(traceOf('run')).toEqual(whole.get('mmoe'));
    expect(readdirSync('run/checkpoints')).not.toContain('step-00000018');
  });

  it('does not resume if its checkpoint has an unknown section', async () => {
    const { signal, on } = abortAtStep(3);
    await trainSmall(configOf('esmm'), { runDir: 'run', signal, on });
    const path = 'run/checkpoints/step-00000003';
    const state = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as { sections: object };
    const text = JSON.stringify({ ...state, sections: { ...state.sections, oracle: { version: 1 } } });
    const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as { files: Record<string, object> };
    manifest.files['state.json'] = { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
    writeFileSync(join(path, 'state.json'), text);
    writeFileSync(join(path, 'manifest.json'), JSON.stringify(manifest));
    const before = readdirSync('run', { recursive: true }).sort();
    const attempt = trainSmall(configOf('esmm'), { resume: 'run' });
    await expect(attempt).rejects.toThrow(
      /step-00000003\/state\.json: section 'oracle': this run has no component with such state/,
    );
    await expect(attempt).rejects.toMatchObject({ exitCode: 4 });
    expect(readdirSync('run', { recursive: true }).sort()).toEqual(before);
  });

  it('without an intact checkpoint is an error that names each', async () => {
    const { signal, on } = abortAtStep(18);
    await trainSmall(configOf('mmoe'), { runDir: 'run', signal, on });
    const names = readdirSync('run/checkpoints').filter((name) => name.startsWith('step-'));
    for (const name of names) rmSync(join('run/checkpoints', name, 'manifest.json'));
    const notices: string[] = [];
    const attempt = trainSmall(configOf('mmoe'), {
      resume: 'run',
      on: { onWarning: (notice) => notices.push(notice) },
    });
    await expect(attempt).rejects.toMatchObject({ exitCode: 4 });
    // None is told to be taken.
    expect(notices).toEqual([]);
    for (const name of names) await expect(attempt).rejects.toThrow(new RegExp(`${name}/manifest.json`));
  });
});

describe('invalid rows', () => {
  it('are reported once, also on resume, with formulas escaped', async () => {
    const folder = scratchFolder();
    for (const file of ['train.csv', 'valid.csv', 'test.csv', 'esmm.yaml'])
      copyFileSync(join(world, file), join(folder, file));
    const lines = readFileSync(join(folder, 'train.csv'), 'utf8').trimEnd().split('\n');
    const column = lines[0]!.split(',').indexOf('101');
    for (const [row, value] of [
      [3, '=1+1'],
      [5, '-5'],
      [700, '@x'],
    ] as const) {
      const cells = lines[row]!.split(',');
      cells[column] = value;
      lines[row] = cells.join(',');
    }
    writeFileSync(join(folder, 'train.csv'), `${lines.join('\n')}\n`);
    const set = ['data.onBadRow=skip'];
    await trainSmall(join(folder, 'esmm.yaml'), { runDir: 'whole', set });
    const { signal, on } = abortAtStep(20);
    await trainSmall(join(folder, 'esmm.yaml'), { runDir: 'run', set, signal, on });
    expect((await trainSmall(join(folder, 'esmm.yaml'), { resume: 'run', set })).rejectedRows).toBe(3);
    const rejects = readFileSync('run/rejects.csv', 'utf8');
    expect(rejects).toBe(readFileSync('whole/rejects.csv', 'utf8'));
    expect(rejects.split('\n').slice(0, 4)).toEqual([
      'file,line,column,value,reason,row',
      ...[
        [4, "'=1+1"],
        [6, '-5'],
        [701, "'@x"],
      ].map(([line, value]) => expect.stringContaining(`,${line},101,${value},`) as string),
    ]);
    expect(traceOf('run')).toEqual(traceOf('whole'));
  });
});

describe('a completed run', () => {
  it('trains more epochs as if they had been requested at first', async () => {
    await trainSmall(configOf('esmm'), { runDir: 'long', set: ['training.epochs=6'] });
    await trainSmall(configOf('esmm'), { runDir: 'run' });
    const notices: string[] = [];
    await trainSmall(configOf('esmm'), {
      resume: 'run',
      set: ['training.epochs=6'],
      on: { onWarning: (notice) => notices.push(notice) },
    });
    expect(notices).toContain('changed training.epochs: 4, now 6');
    expect(traceOf('run')).toEqual(traceOf('long'));
  });

  it('is measured again, with equal metrics, if no epoch is left', async () => {
    const { metrics } = await trainSmall(configOf('esmm'), { runDir: 'run' });
    const again = await trainSmall(configOf('esmm'), { resume: 'auto', runDir: 'run' });
    expect(again).toMatchObject({ end: 'finished', metrics: { test: metrics['test'] } });
    expect(traceOf('run')).toEqual(whole.get('esmm'));
  });

  it('that stopped early trains no further unless its patience grows', async () => {
    const set = ['training.earlyStopping.patience=1', 'training.earlyStopping.minDelta=0.9'];
    const { end } = await trainSmall(configOf('esmm'), { runDir: 'run', set });
    expect(end).toBe('stopped early');
    expect((await trainSmall(configOf('esmm'), { resume: 'run', set })).end).toBe('stopped early');
    expect(
      (await trainSmall(configOf('esmm'), { resume: 'run', set: ['training.earlyStopping.patience=9', set[1]!] })).end,
    ).toBe('finished');
  });
});

describe('--resume auto', () => {
  const auto = async (options: object = {}): Promise<{ run: string; notices: string[] }> => {
    const notices: string[] = [];
    const { run } = await trainSmall(configOf('esmm'), {
      resume: 'auto',
      on: { onWarning: (notice) => notices.push(notice) },
      ...options,
    });
    return { run, notices };
  };

  it('starts a new run with a warning if there is none, and resumes an existing one', async () => {
    const stop = abortAtStep(5);
    const { notices } = await auto({ signal: stop.signal, on: stop.on });
    expect(notices).toEqual([]);
    const second = await auto();
    expect([second.run, second.notices[0]]).toEqual([
      'runs/esmm/001',
      expect.stringContaining('resumed runs/esmm/001/checkpoints/step-00000005') as string,
    ]);
    expect(traceOf('runs/esmm/001')).toEqual(whole.get('esmm'));
    // That run has ended now.
    const third = await auto({ set: ['training.epochs=1'] });
    expect([third.run, third.notices[0]]).toEqual(['runs/esmm/002', 'no run to resume: starting a new one']);
    expect(readlinkSync('runs/latest')).toBe('esmm/002');
  });

  it('starts from the beginning in a named directory without a checkpoint', async () => {
    // As a kill leaves it while data is read.
    mkdirSync('run');
    writeFileSync('run/config.source.yaml', '');
    await expect(trainSmall(configOf('esmm'), { resume: 'run' })).rejects.toMatchObject({ exitCode: 4 });
    const { run, notices } = await auto({ runDir: 'run' });
    expect([run, notices[0]]).toEqual(['run', 'run has no checkpoint yet: starting from the beginning']);
    expect(traceOf('run')).toEqual(whole.get('esmm'));
  });

  it('skips a run of another config with the reason, and takes the newest of this one', async () => {
    for (const set of [[], ['seed=5']]) {
      const stop = abortAtStep(5);
      await trainSmall(configOf('esmm'), { set, signal: stop.signal, on: stop.on });
    }
    const { run, notices } = await auto({ set: ['training.epochs=1'] });
    expect([run, notices[0]]).toEqual([
      'runs/esmm/001',
      'cannot resume runs/esmm/002: seed: the run was trained with 5, but it is now 11',
    ]);
  });

  it('never takes a directory that is not a run', async () => {
    mkdirSync('other');
    writeFileSync('other/file', 'mine');
    await expect(auto({ runDir: 'other' })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('not a run directory') as string,
    });
    await expect(trainSmall(configOf('esmm'), { resume: 'none' })).rejects.toThrow(/no such directory/);
    expect(readdirSync(join(cwd, 'other'))).toEqual(['file']);
  });
});
