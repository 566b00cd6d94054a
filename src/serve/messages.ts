import type { RowStateName } from '../data/states/row-states.js';
// Messages between the HTTP thread and the prediction threads. Bodies are parsed on the prediction threads, to keep the
// HTTP thread free.

import type { EventSources } from '../data/objects/event-source.js';
import type { CountsByColumn } from '../data/objects/object-reader.js';
import type { OnMissing } from '../data/objects/given-rows.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import type { TokenTable } from '../features/vocabulary/token-table.js';
import type { MovedRows } from '../tables/moved-rows.js';
import type { LoadOptions, ModelInput, Predictions } from '../trained-model/load-model.js';
import type { EventLogs, Histories } from '../trained-model/read-histories.js';

/** The request form: JSON objects, or tensors of the Open Inference Protocol. */
export type Form = 'rows' | 'tensors';

/** Description of a request body. */
export interface BodyKind {
  readonly form: Form;
  /** Policy for invalid rows: reject the request, or return null for them. */
  readonly onBadRow: 'error' | 'skip';
  /** Policy for columns missing in a request. */
  readonly onMissing: OnMissing;
  /** Length of the leading JSON, if binary tensors follow. */
  readonly jsonBytes?: number | undefined;
  /** Version that the path names; default: any. */
  readonly version?: string | undefined;
  /** Whether the response has the predictions besides the body. Default: false. */
  readonly isRecorded?: boolean | undefined;
}

/** Byte range of a request body in a bundle. */
export interface BundledBody extends BodyKind {
  readonly begin: number;
  readonly end: number;
}

/** Requests sent to a thread together, to predict their rows in one batch. */
export interface Bundle {
  readonly bytes: Uint8Array;
  readonly bodies: readonly BundledBody[];
}

/** The response to a request. */
export interface Answered {
  /** Status code of the HTTP response. */
  readonly status: number;
  readonly body: string | Uint8Array;
  /** Length of the leading JSON, if binary tensors follow. */
  readonly jsonBytes?: number | undefined;
  /** Number of predicted rows. */
  readonly rows: number;
  /** Predictions of all rows, NaN for those without any, if they are recorded and there is no error. */
  readonly predictions?: Predictions | undefined;
  /** Stack of an unexpected error, for the server's log. */
  readonly bug?: string | undefined;
}

/** Responses to a bundle, in the order of its bodies. */
export interface AnsweredBundle {
  readonly answers: readonly Answered[];
  readonly counts: CountsByColumn;
}

/** Reply to a bundle with rows that lack what states of the checkpoint remember, which the HTTP thread has. */
export interface Question {
  /** Number of the bundle. */
  readonly id: number;
  /** By the name of the state. */
  readonly queries: ReadonlyMap<RowStateName, unknown>;
}

/** Answers of the states to a question; the reply is the reply to the bundle. */
export interface Supplement {
  /** Number of the bundle. */
  readonly supplements: number;
  /** By the name of the state. */
  readonly answers: ReadonlyMap<RowStateName, unknown>;
}

/** Settings of the prediction threads of a model. */
export interface PredictorSpec {
  /** Path of the checkpoint directory. */
  readonly folder: string;
  /** Model name; default: the config name. */
  readonly name: string | undefined;
  readonly limits: BodyLimits;
  /** Whether to return uncalibrated predictions. */
  readonly raw?: boolean | undefined;
  /** Event logs with the items of rows that lack them; default: none. */
  readonly histories?: Histories | undefined;
  /** Precision of matrix products. Default: `f32`. */
  readonly precision?: LoadOptions['precision'];
  /** Format of embedding tables in memory. Default: `f32`. */
  readonly tables?: LoadOptions['tables'];
}

/** Settings of a prediction thread, with the checkpoint, whose tensors all threads share, as they do event logs. */
export interface PredictThreadSpec extends PredictorSpec {
  readonly stored: Checkpoint;
  readonly savedMs: number;
  readonly logs: EventLogs | undefined;
  /** Logs whose events the HTTP thread has. */
  readonly streamed: EventSources;
}

/** A table of a model. */
export interface TrainedTable {
  readonly tensor: string;
  /** Name of the ids that its rows have. */
  readonly ids: string;
}

/** Reply of a prediction thread to its first request. */
export interface PredictorReady {
  readonly facts: ModelFacts;
  readonly tables: readonly TrainedTable[];
}

/** Settings of a thread that writes deltas to tables in shared memory with spare rows. */
export interface TableWriterSpec {
  readonly stored: Pick<Checkpoint, 'program' | 'tableFormat' | 'sections' | 'config'>;
  readonly tables: readonly TrainedTable[];
  /** Tokens of growing vocabularies, by field; others do not change. */
  readonly tokens: ReadonlyMap<string, TokenTable>;
  /** Whether predictions are uncalibrated. */
  readonly raw: boolean | undefined;
}

/** A delta whose rows are in spare rows, with all other weights. A prediction thread switches to it. */
export interface PreparedDelta extends Pick<Checkpoint, 'program' | 'sections'> {
  readonly folder: string;
  readonly savedMs: number;
  readonly moved: MovedRows;
  /** Tokens of growing vocabularies, by field. */
  readonly tokens: ReadonlyMap<string, TokenTable>;
}

/** Limits of a request. */
export interface BodyLimits {
  /** Maximum size of a body, before and after decompression. */
  readonly bytes: number;
  readonly rows: number;
}

/** Description of a loaded model. */
export interface ModelFacts {
  readonly name: string;
  /** Number of optimizer steps of the checkpoint, as a string. */
  readonly version: string;
  /** Path of the checkpoint directory. */
  readonly checkpoint: string;
  /** Time at which the checkpoint was saved, in milliseconds since the epoch. */
  readonly savedMs: number;
  readonly inputs: readonly ModelInput[];
  readonly outputs: readonly string[];
  /** Training config in YAML. A checkpoint in use may no longer exist: training removes old ones. */
  readonly config: string;
}

/** Returns the facts of a model after a delta. */
export function factsAfter(facts: ModelFacts, { program, folder, savedMs }: PreparedDelta): ModelFacts {
  return { ...facts, version: String(program.step), checkpoint: folder, savedMs };
}

/** Requests that a model answered since the server started. */
export interface ModelStatistics {
  readonly rows: number;
  readonly bundles: number;
  /** Time of the last answer with predictions, in milliseconds since the epoch; 0 for none. */
  readonly lastMs: number;
  readonly success: { readonly count: number; readonly seconds: number };
  readonly fail: { readonly count: number; readonly seconds: number };
}

/** Concatenates bodies into memory that can be transferred to another thread. */
export function packRequests(requests: readonly { readonly body: Uint8Array; readonly kind: BodyKind }[]): Bundle {
  const bytes = new Uint8Array(requests.reduce((sum, { body }) => sum + body.length, 0));
  let end = 0;
  const bodies = requests.map(({ body, kind }): BundledBody => {
    bytes.set(body, end);
    const begin = end;
    end += body.length;
    return { ...kind, begin, end };
  });
  return { bytes, bodies };
}
