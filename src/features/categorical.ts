import { checkEmbedded, embeddedField, embeddedOptions } from './embedded.js';
import { defineFeatureType } from './feature.js';

/** Fields with one id a row, each with an embedding table of its own, or another field's. */
export const categorical = defineFeatureType({
  name: 'categorical',
  summary: 'one id a row, embedded',
  options: embeddedOptions,
  check: checkEmbedded,
  build: (options) => options.fields.map((name) => ({ ...embeddedField(options, name), kind: 'id' })),
});
