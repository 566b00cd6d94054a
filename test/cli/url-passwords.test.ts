/** @module-tag long */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { mtl } from '../support/mtl.js';
import { smallWorld } from '../support/small-run.js';

const SECRET = 'hunter2';
const WITH_PASSWORD = `http://bob:${SECRET}@127.0.0.1:1`;

let folder: string;
let config: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-secrets-'));
  await smallWorld(folder);
  config = readFileSync(join(folder, 'esmm.yaml'), 'utf8');
  const { code, stderr } = await mtl(folder, ['train', 'esmm.yaml', '--name', 'whole', '--set', 'training.epochs=1']);
  expect(code, stderr).toBe(0);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** Lists files below a directory whose content or name has the secret. */
function filesWithSecret(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const file = join(directory, path);
    return path.includes(SECRET) || (statSync(file).isFile() && readFileSync(file).includes(SECRET));
  });
}

const study = (text: string, base = 'esmm.yaml'): string =>
  `config: ${base}\nmetric: ctcvr.auc\nsearch: grid\n` +
  (text.startsWith('space') ? '' : 'space: { training.epochs: [1] }\n') +
  `${text}\n`;
const TRAIN = ['train', 'esmm.yaml', '--set', 'training.epochs=1'];

describe('a password in a URL', () => {
  // The arguments, and where the error finds the password.
  it.each<readonly [string, readonly string[], string]>([
    ['the server of MLflow', [...TRAIN, '--set', `loggers.mlflow=${WITH_PASSWORD}`], '--set loggers.mlflow'],
    [
      'an override that another one replaces',
      [...TRAIN, '--set', `loggers.mlflow=${WITH_PASSWORD}`, '--set', 'loggers.mlflow=null'],
      '--set loggers.mlflow',
    ],
    ['a section', [...TRAIN, '--set', `loggers={ mlflow: "${WITH_PASSWORD}" }`], '--set loggers'],
    [
      'an escaped text',
      [...TRAIN, '--set', `loggers.mlflow="http:\\/\\/bob:${SECRET}@127.0.0.1:1"`],
      '--set loggers.mlflow',
    ],
    [
      'a password with a slash',
      [...TRAIN, '--set', `loggers.mlflow=http://bob:a/${SECRET}@127.0.0.1:1`],
      '--set loggers.mlflow',
    ],
    [
      'a password with a blank',
      [...TRAIN, '--set', `loggers.mlflow=http://bob:a ${SECRET}@127.0.0.1:1`],
      '--set loggers.mlflow',
    ],
    [
      'a token as the user of a server',
      [...TRAIN, '--set', `loggers.mlflow=http://${SECRET}@127.0.0.1:1`],
      '--set loggers.mlflow',
    ],
    [
      'the name of an experiment',
      [...TRAIN, '--set', `loggers.experiment=${WITH_PASSWORD}`],
      '--set loggers.experiment',
    ],
    ['an option that does not exist', ['train', 'esmm.yaml', '--mlflow', WITH_PASSWORD], '--mlflow'],
    [
      'a token of NATS',
      [...TRAIN, '--follow', '--set', `data.train=nats://${SECRET}@127.0.0.1:1/s`],
      '--set data.train',
    ],
    [
      'a password of Kafka',
      [...TRAIN, '--follow', '--set', `data.train=kafka://me:${SECRET}@127.0.0.1:1/s`],
      '--set data.train',
    ],
    [
      'an option of a URL',
      [...TRAIN, '--follow', '--set', `data.train=kafka://127.0.0.1:1/s?password=${SECRET}`],
      '--set data.train',
    ],
    ['a signed path', [...TRAIN, '--set', `data.test=https://host/x.csv?v=1&sig=${SECRET}`], '--set data.test'],
    ['an object store', [...TRAIN, '--set', `data.test=s3://key:${SECRET}@bucket/x.csv`], '--set data.test'],
    ['the directory of runs', [...TRAIN, '--run-dir', WITH_PASSWORD], '--run-dir'],
    [
      'an override of a resumed run',
      ['train', '--resume', 'runs/whole', '--set', `loggers.mlflow=${WITH_PASSWORD}`],
      '--set loggers.mlflow',
    ],
    [
      'an override of a study',
      ['sweep', 'sound.yaml', '--set', `set.loggers.mlflow=${WITH_PASSWORD}`],
      '--set set.loggers.mlflow',
    ],
    ['rows to predict', ['predict', 'runs/whole', '--data', WITH_PASSWORD, '--out', 'scores.csv'], '--data'],
    ['rows of a new config', ['init', '--data', WITH_PASSWORD], '--data'],
    ['a server of a report', ['report', '--live', WITH_PASSWORD], '--live'],
  ])('is refused and not recorded as an argument: %s', async (_name, args, where) => {
    writeFileSync(join(folder, 'sound.yaml'), study('set: { training.epochs: 1 }'));
    const { code, stdout, stderr } = await mtl(folder, args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(`^error: ${where}: has a (?:password|user)`)]);
    expect(stdout + stderr).not.toContain(SECRET);
    expect(filesWithSecret(folder)).toEqual([]);
  });

  it.each<readonly [string, string, readonly string[], string]>([
    ['a value', `\nloggers:\n  mlflow: ${WITH_PASSWORD}\n`, [], 'loggers.mlflow: '],
    [
      'a value that an override replaces',
      `\nloggers:\n  mlflow: ${WITH_PASSWORD}\n`,
      ['loggers.mlflow=null'],
      'loggers.mlflow: ',
    ],
    ['a comment', `\n# mlflow: ${WITH_PASSWORD}\n`, [], ''],
    ['a comment of invalid YAML', `\n# mlflow: ${WITH_PASSWORD}\nx: [\n`, [], ''],
  ])('is refused and not recorded in a config: %s', async (_name, text, set, key) => {
    const directory = mkdtempSync(join(tmpdir(), 'mtl-secret-config-'));
    const line = config.split('\n').length + (key === '' ? 0 : 1) + 1;
    writeFileSync(join(directory, 'secret.yaml'), `${config}${text}`);
    const args = ['train', join(directory, 'secret.yaml'), ...set.flatMap((each) => ['--set', each])];
    const { code, stdout, stderr } = await mtl(folder, args);
    const swept = await (async () => {
      writeFileSync(join(folder, 'sound.yaml'), study('', join(directory, 'secret.yaml')));
      return mtl(folder, ['sweep', 'sound.yaml']);
    })();
    rmSync(directory, { recursive: true });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(new RegExp(`secret\\.yaml:${line}:\\d+: ${key.replace('.', '\\.')}has a password`)),
    ]);
    expect([swept.code, swept.stderr]).toEqual([2, expect.stringMatching(`secret\\.yaml:${line}:\\d+: `)]);
    expect(stdout + stderr + swept.stdout + swept.stderr).not.toContain(SECRET);
    expect(filesWithSecret(folder)).toEqual([]);
  });

  it.each([
    ['set', `set: { loggers.mlflow: "${WITH_PASSWORD}" }`, '5:\\d+: set.loggers.mlflow: '],
    ['space', `space: { loggers.mlflow: ["${WITH_PASSWORD}"] }`, '4:\\d+: space.loggers.mlflow.0: '],
    ['a launcher', `launcher: { name: command, command: "X=${WITH_PASSWORD} sh -c" }`, '5:\\d+: launcher.command: '],
    ['a comment', `# ${WITH_PASSWORD}`, '5:\\d+: '],
  ])('is refused and not recorded in a study: %s', async (_name, text, where) => {
    const directory = mkdtempSync(join(tmpdir(), 'mtl-secret-study-'));
    writeFileSync(join(directory, 'secret.yaml'), study(text, join(folder, 'esmm.yaml')));
    const { code, stdout, stderr } = await mtl(folder, ['sweep', join(directory, 'secret.yaml')]);
    rmSync(directory, { recursive: true });
    expect([code, stderr]).toEqual([2, expect.stringMatching(`secret\\.yaml:${where}has a password`)]);
    expect(stdout + stderr).not.toContain(SECRET);
    expect(filesWithSecret(folder)).toEqual([]);
  });

  it('is not recorded if it comes from the environment', async () => {
    for (const name of ['MLFLOW_TRACKING_USERNAME', 'MLFLOW_TRACKING_PASSWORD', 'MTL_NATS_TOKEN', 'MTL_TOKEN'])
      vi.stubEnv(name, SECRET);
    const { code, stdout, stderr } = await mtl(folder, [...TRAIN, '--set', 'loggers.mlflow=http://127.0.0.1:1']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('MLflow at http://127.0.0.1:1')]);
    expect(stdout + stderr).not.toContain(SECRET);
    expect(filesWithSecret(folder)).toEqual([]);
  });
});
