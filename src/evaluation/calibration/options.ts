import { z } from 'zod';
import { didYouMean, joined, quoted } from '../../core/errors.js';
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
export interface OutputMethod {
  readonly output: Output;
  readonly method: string;
  readonly fit: Fit;
}

/** Returns the method of each calibrated output; outputs that share a prediction share its method. */
export function resolveMethods(section: CalibrationSection, outputs: readonly Output[]): readonly OutputMethod[] {
  const methodsByOutput = section.outputs ?? {};
  return listCalibratable(outputs).flatMap((output): readonly OutputMethod[] => {
    const spec = Object.hasOwn(methodsByOutput, output.name) ? methodsByOutput[output.name]! : section;
    return spec === NONE ? [] : [{ output, method: spec.method, fit: methods.build(spec) }];
  });
}

/** Validates the section against the tasks. */
export function* checkCalibration(section: CalibrationSection, tasks: readonly Task[]): Generator<ValidationIssue> {
  const outputs = listOutputs(tasks);
  const known = listCalibratable(outputs).map(({ name }) => name);
  if (known.length === 0) {
    yield { path: [], message: 'requires a classification task; remove calibration' };
    return;
  }
  for (const name of Object.keys(section.outputs ?? {})) {
    const output = outputs.find((each) => each.name === name);
    if (known.includes(name)) continue;
    const path = ['outputs', name];
    if (output === undefined)
      yield {
        path,
        message: joined(`expected one of ${known.join(', ')}, found ${quoted(name)}`, didYouMean(name, known)),
      };
    else if (output.type === 'regression')
      yield { path, message: `'${name}' is a regression, which predicts no probability; remove it` };
    else {
      const predicted = findPredictedOutput(output, outputs).name;
      yield { path, message: `'${name}' has the prediction of '${predicted}' on other rows; use '${predicted}'` };
    }
  }
  if (resolveMethods(section, outputs).length === 0)
    yield { path: ['outputs'], message: 'disables every output; remove calibration instead' };
}

/** Returns the outputs that are probabilities, once per prediction. */
function listCalibratable(outputs: readonly Output[]): readonly Output[] {
  return listPredictedOutputs(outputs).filter(({ type }) => type === 'classification');
}
