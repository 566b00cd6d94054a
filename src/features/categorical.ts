import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import { defineFieldGroup } from './field-group.js';
import { missingOption, withMissing } from './missing.js';

/** Fields with one id per row, each with its own embedding table or a shared one. */
export const categorical = defineFieldGroup({
  name: 'categorical',
  summary: 'id per row, embedded',
  options: () => ({ ...embeddedOptions, fillMissing: missingOption }),
  check: checkEmbedded,
  build: (name, options) => [{ ...withMissing(embeddedField(name, options), options.fillMissing), kind: 'id' }],
});
