import { synthOptions } from '../synth-options.js';
import { defineCommand } from './command.js';

export const synth = defineCommand({
  usage: 'synth <folder>',
  summary: 'generate data of the shape of Ali-CCP with a planted truth',
  options: synthOptions,
  async run(args) {
    const { runSynth } = await import('../synth-command.js');
    const { positionBias, selectionBias, confounder } = args;
    return runSynth({ ...args, biases: { position: positionBias, selection: selectionBias, confounder } });
  },
});
