import { defineLauncher } from './launcher.js';
import { launchProcesses } from './processes.js';

/** Processes on this machine; killed ones are restarted. */
export const local = defineLauncher({
  name: 'local',
  summary: 'Processes on this machine',
  options: () => ({}),
  isHere: true,
  build:
    () =>
    ({ study, count, mtl, args }) =>
      launchProcesses(
        study,
        Array.from({ length: count }, () => [...mtl, ...args]),
        true,
        `${count} on this machine`,
      ),
});
