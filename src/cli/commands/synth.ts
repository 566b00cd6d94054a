import { synthOptions } from '../synth-options.js';
import { defineCommand } from './command.js';

export const synth = defineCommand({
  usage: 'synth <out>',
  summary: 'Generate data shaped like Ali-CCP with known true probabilities',
  options: synthOptions,
  async run(args) {
    const { runSynth } = await import('../synth-command.js');
    const { positionBias, selectionBias, confounder } = args;
    return runSynth({ ...args, biases: { position: positionBias, selection: selectionBias, confounder } });
  },
});
