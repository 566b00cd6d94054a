import { lowerPriority } from '../../../system/priority.js';
import { buildAddon } from './build.js';

// The process that compiles the kernels in the background, which outlives the command that starts it.

lowerPriority(process.pid);
buildAddon({ isBackground: true });
