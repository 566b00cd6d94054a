import { z } from 'zod';
import { defineLauncher, quoteCommand } from './launcher.js';
import { launchProcesses } from './processes.js';

/** A shell command per worker, such as ssh to a machine that shares the directory. */
export const command = defineLauncher({
  name: 'command',
  summary: 'Any shell command per worker, such as ssh to machines that share the directory',
  options: () => ({
    run: z
      .string()
      .regex(/\{mtl\}|\{study\}/, 'a command that contains {mtl} (the command of a worker) or {study} (its directory)')
      .describe('Shell command per worker, with {worker}, {mtl} and {study} replaced: ssh node{worker} {mtl}'),
    detaches: z.boolean().default(false).describe('Whether the command exits at once while its worker keeps running'),
  }),
  isHere: false,
  build:
    ({ run, detaches }) =>
    async ({ study, count, mtl, args }) => {
      const texts = { mtl: quoteCommand([...mtl, ...args]), study: quoteCommand([study]) };
      const commands = Array.from({ length: count }, (_, i) => [
        'sh',
        '-c',
        run.replace(/\{(worker|mtl|study)\}/g, (_all, name: 'worker' | 'mtl' | 'study') =>
          name === 'worker' ? String(i + 1) : texts[name],
        ),
      ]);
      const workers = await launchProcesses(study, commands, false, `${count} with ${run}`);
      return detaches ? { ...workers, areAlive: async () => (await workers.areAlive(), true) } : workers;
    },
});
