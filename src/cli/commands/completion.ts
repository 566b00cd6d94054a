import { EXIT_CODES } from '../../core/errors.js';
import { COMPLETION_SCRIPTS } from '../completion-scripts.js';
import { defineCommand } from './command.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly (keyof typeof COMPLETION_SCRIPTS)[];

export const completion = defineCommand({
  usage: 'completion <shell>',
  summary: 'Print a shell completion script',
  options: (y) =>
    y
      .positional('shell', { choices: SHELLS, demandOption: true, describe: 'Shell to complete for' })
      .example('$0 completion bash >> ~/.bashrc', '')
      .example('$0 completion zsh >> ~/.zshrc', '')
      .example('$0 completion fish > ~/.config/fish/completions/mtl.fish', ''),
  run({ shell }) {
    process.stdout.write(COMPLETION_SCRIPTS[shell]);
    return Promise.resolve(EXIT_CODES.done);
  },
});
