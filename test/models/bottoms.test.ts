/** @module-tag long */
import { describe, expect, it } from 'vitest';
import * as bottoms from '../../src/bottoms/all.js';
import { parseConfig } from '../../src/config/load.js';
import { listTasks } from '../../src/config/experiment.js';
import { buildModel, embeddingParts, models } from '../../src/models/models.js';
import { withEmbeddingParts } from '../../src/tables/layout.js';
import { otherOptions } from '../support/other-options.js';

// README: any shared layers below any funnel.

/** Models with shared layers below their towers, in addition to their own layers. */
const hosts = models.parts.filter((part) => 'bottom' in part.options()).map(({ name }) => name);

/** Hosts whose towers do not read the shared layers alone. */
const WITH_LAYERS_BETWEEN = new Set(['dbmtl', 'ddpo', 'resflow']);

const CONFIG = {
  name: 'x',
  data: { train: 'x.csv', valid: 'x.csv' },
  features: {
    user: { type: 'categorical', fields: ['user'], encoding: 'tokens', width: 4 },
    item: { type: 'categorical', fields: ['item'], encoding: 'tokens', width: 4 },
  },
  tasks: { ctr: { label: 'click' }, cvr: { label: 'purchase', given: 'click' } },
};
const LAYOUT = {
  width: 8,
  tables: ['user', 'item'].map((name) => ({ name, rows: 5, width: 4 })),
  columns: ['user', 'item'].map((field, i) => ({
    field,
    group: field,
    offset: 4 * i,
    width: 4,
    kind: 'id' as const,
    table: field,
  })),
};

/** Builds a model with these layers from a config; returns the names and shapes of its weights. */
function built(model: string, bottom: unknown): string {
  const experiment = parseConfig(JSON.stringify({ ...CONFIG, model: { name: model, bottom } }), 'x.yaml');
  const tasks = listTasks(experiment);
  const graph = buildModel(
    experiment.model,
    withEmbeddingParts(LAYOUT, embeddingParts(experiment.model, tasks).length),
    tasks,
  );
  return graph.parameters.map((parameter) => JSON.stringify(parameter)).join('\n');
}

describe.each(hosts)('%s', (model) => {
  it.each(Object.values(bottoms).map((part) => [part.name, part] as const))(
    'uses %s, by name and with each of its options',
    (name, part) => {
      const byName = built(model, name);
      expect(built(model, { name })).toBe(byName);
      const { bottom } = models.schema.parse({ name: model, bottom: { name } }) as { readonly bottom: object };
      const options = Object.fromEntries(Object.entries(bottom).filter(([key]) => key !== 'name' && key !== 'input'));
      for (const { path, options: other } of otherOptions(part, options, 'cvr')) {
        // The layers of single-task have one task each and no other.
        if (model === 'single-task' && path.startsWith('categories')) continue;
        const build = (): string => built(model, { name, ...(other as object) });
        if (path === 'distillation' && WITH_LAYERS_BETWEEN.has(model)) expect(build).toThrow(/remove distillation$/);
        else expect(build, JSON.stringify(other)).not.toThrow();
      }
    },
  );

  it('reads the feature groups of its layers', () => {
    expect(built(model, { name: bottoms.mlp.name, input: ['user'] })).not.toBe(built(model, bottoms.mlp.name));
  });
});

describe('aitm', () => {
  it('has layers per task below its towers by default', () => {
    expect(built('aitm', { hidden: [6] })).toBe(built('aitm', { name: bottoms.taskMlp.name, hidden: [6] }));
    expect(built('aitm', { hidden: [6] })).toContain('bottoms.cvr.0.weight');
  });
});
