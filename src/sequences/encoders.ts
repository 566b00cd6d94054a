import { formatChoices, registry } from '../core/component.js';
import * as all from './all.js';

/** Every encoder of sequences by its name in the config. */
export const encoders = registry(all);
export type EncoderSpec = Parameters<typeof encoders.build>[0];

/** Schema of an encoder: a name, or a map with options. */
export const encoderOption = formatChoices(encoders.schema, encoders.names);
