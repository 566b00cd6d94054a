import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import { defineFieldGroup } from './field-group.js';
import { missingOption, withMissing } from './missing.js';

/** Fields with one id a row, each with an embedding table of its own, or another field's. */
export const categorical = defineFieldGroup({
  name: 'categorical',
  summary: 'id per row, embedded',
  options: () => ({ ...embeddedOptions, fillMissing: missingOption }),
  check: checkEmbedded,
  build: (name, options) => [{ ...withMissing(embeddedField(name, options), options.fillMissing), kind: 'id' }],
});
