import { z } from 'zod';
import type { ModelInput } from '../../features/model-input.js';
import type { CanaryReport, JoinedOutcomes } from '../canary/canary-report.js';
import type { ModelFacts } from '../messages.js';
import type { indexEntry, modelConfig, modelMetadata, modelStatistics, serverMetadata } from '../metadata.js';
import { DATATYPES } from '../tensor-data.js';

// Schemas of all bodies for the OpenAPI document. Requests are parsed by other code, which reports problems by row.

const text = z.string();
const count = z.int().min(0);
const figure = z.number().nullable();
const item = z.union([text, z.number()]);
const bag = z.array(
  z.union([item, z.array(item), z.strictObject({ id: item, weight: z.number().optional() }), z.null()]),
);

/** Values of a column in a row, by its type. */
const VALUES: Readonly<Record<ModelInput['holds'], z.ZodType>> = {
  id: z.union([z.int(), text, z.null()]),
  text: z.union([text, z.number(), z.boolean(), z.null()]),
  number: z.union([z.number(), text, z.null()]),
  bag: z.union([bag, item, z.null()]),
  vector: z.union([z.array(z.number()), text, z.null()]),
};

const problem = z.strictObject({ where: text.optional(), key: text.optional(), message: text, fix: text.optional() });
/** Labels or events, whose columns the model does not declare. */
const anyRows = z.array(z.looseObject({}));
const tensor = z.strictObject({ name: text, datatype: text, shape: z.array(z.int()) });
const configTensor = z.strictObject({ name: text, data_type: text, dims: z.array(z.int()) });
const duration = z.strictObject({ count, ns: count });
const statistics = z.strictObject({
  name: text,
  version: text,
  last_inference: count,
  inference_count: count,
  execution_count: count,
  inference_stats: z.strictObject({
    success: duration,
    fail: duration,
    queue: duration,
    compute_input: duration,
    compute_infer: duration,
    compute_output: duration,
  }),
  batch_stats: z.array(z.never()),
}) satisfies z.ZodType<ReturnType<typeof modelStatistics>>;
const indexed = z.strictObject({
  name: text,
  version: text,
  state: text,
  reason: text,
}) satisfies z.ZodType<ReturnType<typeof indexEntry>>;

const comparedModel = z.strictObject({ name: text, version: text, checkpoint: text });
const difference = z.strictObject({
  output: text,
  metric: text,
  goal: z.enum(['higher', 'lower', 'none']),
  a: figure,
  b: figure,
  difference: figure,
  low: figure,
  high: figure,
});
const figures = z.record(text, z.object({ rows: figure, meanLabel: figure, meanPrediction: figure }).catchall(figure));
const canaryReport = z.strictObject({
  kind: z.enum(['canary', 'shadow']),
  state: z.enum(['running', 'promoted', 'rolledBack', 'ended']),
  present: comparedModel,
  candidate: comparedModel,
  share: figure,
  waiting: count,
  counts: z.strictObject({
    joined: count,
    repeated: count,
    expired: count,
    unknown: count,
    unpaired: count,
    unassigned: count,
    dropped: count,
    unlabeled: count,
  }),
  looks: z.array(
    z.strictObject({
      number: count,
      rows: count,
      confidence: z.number(),
      difference,
      verdict: z.enum(['better', 'worse', 'undecided']),
    }),
  ),
  figures: z.strictObject({
    present: figures,
    candidate: figures,
    confidence: z.number(),
    differences: z.array(difference),
  }),
}) satisfies z.ZodType<CanaryReport>;

/** Bodies that are the same for all models. */
const COMMON = {
  Problems: z.strictObject({ error: text, problems: z.array(problem) }),
  Live: z.strictObject({ live: z.boolean() }),
  Ready: z.strictObject({ ready: z.boolean() }),
  ModelReady: z.strictObject({ name: text, ready: z.boolean() }),
  EventsRequest: z.strictObject({ rows: anyRows }),
  EventsResponse: z.strictObject({ model: text, version: text, events: count, latest: text.nullable() }),
  ServerMetadata: z.strictObject({ name: text, version: text, extensions: z.array(text) }) satisfies z.ZodType<
    ReturnType<typeof serverMetadata>
  >,
  ModelMetadata: z.strictObject({
    name: text,
    versions: z.array(text),
    platform: text,
    inputs: z.array(tensor),
    outputs: z.array(tensor),
  }) satisfies z.ZodType<ReturnType<typeof modelMetadata>>,
  ModelConfig: z.strictObject({
    name: text,
    platform: text,
    backend: text,
    max_batch_size: z.int(),
    input: z.array(configTensor.extend({ optional: z.boolean().optional() })),
    output: z.array(configTensor),
  }) satisfies z.ZodType<Omit<ReturnType<typeof modelConfig>, 'input'>>,
  Statistics: z.strictObject({ model_stats: z.array(statistics) }),
  RepositoryIndex: z.array(indexed),
  OutcomesRequest: z.strictObject({ outcomes: z.array(z.strictObject({ id: text, labels: anyRows })) }),
  OutcomesResponse: z.strictObject({
    joined: count,
    rows: count,
    repeated: z.array(text),
    expired: z.array(text),
    unknown: z.array(text),
    unpaired: z.array(text),
  }) satisfies z.ZodType<JoinedOutcomes>,
  CanaryReport: canaryReport,
  OpenApi: z.looseObject({ openapi: text, info: z.looseObject({}), paths: z.looseObject({}) }),
};

type ModelBody = 'PredictRequest' | 'PredictResponse' | 'InferRequest' | 'InferResponse';
/** Name of the schema of a body. */
export type BodyName = keyof typeof COMMON | ModelBody;

/** Reference to a schema of the document. */
export const schemaRef = (name: string): string => `#/components/schemas/${name}`;

/** Returns the JSON Schemas of all bodies by name, and the schemas of the rows and predictions of each model. */
export function buildSchemas(models: readonly ModelFacts[]): Readonly<Record<string, object>> {
  const registry = z.registry<{ readonly id: string }>();
  const described = models.map((facts) => describeModel(facts, registry));
  const perModel = (name: ModelBody): z.ZodType => z.union(described.map((bodies) => bodies[name]));
  const bodies: Readonly<Record<BodyName, z.ZodType>> = {
    ...COMMON,
    PredictRequest: perModel('PredictRequest'),
    PredictResponse: perModel('PredictResponse'),
    InferRequest: perModel('InferRequest'),
    InferResponse: perModel('InferResponse'),
  };
  for (const [id, schema] of Object.entries(bodies)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: schemaRef, io: 'input' });
  // Ids of JSON Schema, which references of the document do not use.
  const isOwn = ([keyword]: readonly [string, unknown]): boolean => !['$schema', '$id'].includes(keyword);
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, Object.fromEntries(Object.entries(schema).filter(isOwn))]),
  );
}

/** Describes the bodies of one model, by its columns and outputs. */
function describeModel(
  { name, inputs, outputs }: ModelFacts,
  registry: z.core.$ZodRegistry<{ readonly id: string }>,
): Readonly<Record<ModelBody, z.ZodType>> {
  const row = z.looseObject(Object.fromEntries(inputs.map((input) => [input.name, describeColumn(input)])));
  const part = row.partial();
  const prediction = z.strictObject(Object.fromEntries(outputs.map((output) => [output, z.number()])));
  registry.add(row, { id: `${name}.Row` }).add(part, { id: `${name}.PartOfRow` });
  registry.add(prediction, { id: `${name}.Prediction` });
  const model = z.literal(name);
  return {
    PredictRequest: z.union([
      z.strictObject({ rows: z.array(row) }),
      z.strictObject({ user: part, candidates: z.array(part) }),
    ]),
    PredictResponse: z.strictObject({
      model,
      version: text,
      predictions: z.array(prediction.nullable()),
      problems: z.array(problem).optional(),
    }),
    InferRequest: describeTensors(inputs, outputs),
    InferResponse: z.strictObject({
      model_name: model,
      model_version: text,
      id: text.optional(),
      parameters: z.strictObject({ problems: text }).optional(),
      outputs: z.array(
        z.strictObject({
          name: z.enum(outputs),
          datatype: z.literal('FP32'),
          shape: z.array(count),
          data: z.array(figure).optional(),
          parameters: z.strictObject({ binary_data_size: count }).optional(),
        }),
      ),
    }),
  };
}

/** Describes a column of a row. One with a dot may be the key of a nested object, so that it is not required. */
function describeColumn({ name, holds, isOptional }: ModelInput): z.ZodType {
  return isOptional === true || name.includes('.') ? VALUES[holds].optional() : VALUES[holds];
}

function describeTensors(inputs: readonly ModelInput[], outputs: readonly string[]): z.ZodType {
  return z.strictObject({
    id: text.optional(),
    model_name: z.unknown().optional(),
    model_version: z.unknown().optional(),
    parameters: z.looseObject({ binary_data_output: z.boolean().optional() }).optional(),
    inputs: z
      .array(
        z.strictObject({
          name: z.enum(inputs.map((input) => input.name)),
          datatype: z.enum(DATATYPES),
          shape: z.array(count).min(1).max(2),
          parameters: z
            .strictObject({ binary_data_size: count.optional(), content_type: z.literal('json').optional() })
            .optional(),
          data: z.array(z.unknown()).optional(),
        }),
      )
      .min(1),
    outputs: z
      .array(
        z.strictObject({
          name: z.enum(outputs),
          parameters: z.strictObject({ binary_data: z.boolean().optional() }).optional(),
        }),
      )
      .optional(),
  });
}
