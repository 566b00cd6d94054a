import { importanceOptions } from '../importance-options.js';
import { defineCommand } from './command.js';

export const importance = defineCommand({
  usage: 'importance <path>',
  summary: 'Measure permutation importance per field',
  options: importanceOptions,
  async run({
    groups: byGroup,
    path,
    data,
    rows,
    repeats,
    rankBy,
    seed,
    out,
    dropWorst,
    config,
    verifyData,
    device,
    threads,
    json,
  }) {
    const { runImportance } = await import('../importance-command.js');
    return runImportance({
      path,
      data,
      rows,
      repeats,
      byGroup,
      rank: rankBy,
      seed,
      out,
      dropWorst,
      config,
      verifyData,
      device,
      threads,
      json,
    });
  },
});
