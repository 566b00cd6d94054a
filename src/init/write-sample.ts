import { cp, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, onDisk } from '../io/disk.js';
import { userError } from '../core/errors.js';
import { PACKAGE, assertAbsent, getSchemaPath, writeConfig } from './output-path.js';

const SAMPLE = 'data/sample';
const FILES = ['train.csv', 'valid.csv', 'test.csv'];

/**
 * Copies the sample into a directory `sample` next to a config, and writes the config of a model for it.
 * @returns the written files
 * @throws UserError (usage) if a file exists, or the model has no config for the sample; (disk)
 */
export async function writeSample(model: string, path: string, force: boolean): Promise<readonly string[]> {
  const source = await readFile(join(PACKAGE, 'configs', `${model}.yaml`), 'utf8').catch((error: unknown) => {
    throw userError(
      'usage',
      {
        where: `--model ${model}`,
        message: 'no config of this model for the sample',
        fix: 'use another model, or your own data with --data',
      },
      error,
    );
  });
  const folder = join(dirname(path), 'sample');
  const files = FILES.map((file) => join(folder, file));
  for (const file of [path, ...files]) assertAbsent(file, force);
  const text = source.replaceAll(`../${SAMPLE}/`, 'sample/').replaceAll(`configs/${model}.yaml`, path);
  await onDisk(folder, async () => {
    await makeFolder(folder);
    for (const file of FILES) await cp(join(PACKAGE, SAMPLE, file), join(folder, file));
  });
  await writeConfig(path, `# yaml-language-server: $schema=${getSchemaPath(path)}\n${text}`, force);
  return [path, ...files];
}
