import { z } from 'zod';
import { didYouMean, joined } from '../../core/errors.js';
import { formatChoices, registry, type ValidationIssue } from '../../core/component.js';
import { findPredictedOutput, listPredictedOutputs, listOutputs, type Output } from '../outputs.js';
import type { Task } from '../../core/tasks.js';
import * as all from './all.js';
import type { Fit } from './method.js';

/** Every method by its name in the config. */
export const methods = registry(all, 'method');

/** Disables calibration of an output. */
const NONE = 'none';

/** Schema of a method: a name, or a map with options. */
const outputMethod = z.union([formatChoices(methods.schema, methods.names, 'method'), z.literal(NONE)]);

/** The `calibration` section of a config. */
export const calibrationSection = methods
  .schemaWith({
    on: z.literal('valid').default('valid').describe('Split to fit on; must not be the training set'),
    outputs: z
      .record(z.string(), outputMethod)
      .optional()
      .describe('Method by output, or none, as in { ctcvr: isotonic, cvr: none }'),
  })
  .describe('Calibration of predictions, fitted after training');
export type CalibrationSection = z.output<typeof calibrationSection>;

/** Calibration of an output. */
export interface SpaceMethod {
  readonly space: Output;
  readonly method: string;
  readonly fit: Fit;
}

/** Returns the method of each calibrated output; outputs that share a prediction share its method. */
export function resolveMethods(section: CalibrationSection, spaces: readonly Output[]): readonly SpaceMethod[] {
  const methodsByOutput = section.outputs ?? {};
  return listCalibratable(spaces).flatMap((space): readonly SpaceMethod[] => {
    const spec = Object.hasOwn(methodsByOutput, space.name) ? methodsByOutput[space.name]! : section;
    return spec === NONE ? [] : [{ space, method: spec.method, fit: methods.build(spec) }];
  });
}

/** Validates the section against the tasks. */
export function* checkCalibration(section: CalibrationSection, tasks: readonly Task[]): Generator<ValidationIssue> {
  const spaces = listOutputs(tasks);
  const known = listCalibratable(spaces).map(({ name }) => name);
  if (known.length === 0) {
    yield { path: [], message: 'requires a classification task; remove calibration' };
    return;
  }
  for (const name of Object.keys(section.outputs ?? {})) {
    const space = spaces.find((each) => each.name === name);
    if (known.includes(name)) continue;
    const path = ['outputs', name];
    if (space === undefined)
      yield { path, message: joined(`expected one of ${known.join(', ')}, found '${name}'`, didYouMean(name, known)) };
    else if (space.type === 'regression')
      yield { path, message: `'${name}' is a regression, which predicts no probability; remove it` };
    else
      yield {
        path,
        message: `'${name}' is what is predicted as '${findPredictedOutput(space, spaces).name}', of other rows; name that one`,
      };
  }
  if (resolveMethods(section, spaces).length === 0)
    yield { path: ['outputs'], message: 'disables every output; remove calibration instead' };
}

/** Returns the outputs that are probabilities, once per prediction. */
function listCalibratable(spaces: readonly Output[]): readonly Output[] {
  return listPredictedOutputs(spaces).filter(({ type }) => type === 'classification');
}
