import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/load.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { encodings } from '../../src/features/encodings/encodings.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { scratchFolder } from '../support/scratch.js';

const page = ['embeddings', 'sequences', 'number-features', 'features']
  .map((name) => readFileSync(`docs/reference/${name}.md`, 'utf8'))
  .join('\n');
const examples = [...page.matchAll(/^```yaml\n(features:\n[^]*?)^```$/gm)].map(([, yaml]) => yaml!);
const [, rows] = /^```text\n(click,user[^]*?)^```$/m.exec(page)!;

describe('docs/reference/{embeddings,sequences,number-features,features}.md', () => {
  it.each(examples)('has an example that is fitted on the rows of features.md and encodes them:\n%s', async (yaml) => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'rows.csv'), rows!);
    const experiment = parseConfig(
      `data: { train: rows.csv, nullValues: ['?'], trim: true }\n${yaml}tasks: { ctr: { label: click } }\n` +
        'model: { name: mmoe }\n',
      'page.yaml',
    );
    const format = createRowFormat({
      tasks: [{ name: 'ctr', ...experiment.tasks['ctr']! }],
      groups: Object.values(experiment.features),
      cells: experiment.data,
    });
    const source = await openSource(join(folder, 'rows.csv'), dataColumns(format), {});
    const reading = { policy: refuseBadRows, cache: { folder: join(folder, 'cache') } };
    const dataset = await source.dataset(encodedFormat(format, await source.fit(format, reading)), reading);
    expect(dataset.rows).toBe(4);
  });

  it('gives groups to the parts of a model that read them', () => {
    const [, model] = /^```yaml\n(model:\n[^]*?)^```$/m.exec(page)!;
    const said = `data: { train: rows.csv }\n${examples.at(-1)!}tasks: { ctr: { label: click } }\n${model!}`;
    expect(parseConfig(said, 'page.yaml').model).toMatchObject({
      input: ['place', 'cost'],
      gate: { input: ['people'] },
    });
    expect(() => parseConfig(said.replace('[people]', '[poeple]'), 'page.yaml')).toThrow("did you mean 'people'?");
  });

  it('has an example of every type, and tells of every option and encoding', () => {
    const told = examples.map((yaml) => (parse(yaml) as { features: Record<string, { type: string }> }).features);
    expect(new Set(told.flatMap((groups) => Object.values(groups).map(({ type }) => type)))).toEqual(
      new Set(featureTypes.names),
    );
    for (const { name, options } of [...featureTypes.parts, ...encodings.parts])
      for (const option of [name, ...Object.keys(options)]) expect(page, option).toContain(option);
  });
});
