import { z } from 'zod';

/** File of initial vectors of a field's table. */
export interface InitialVectors {
  readonly file: string;
  readonly keys?: string | undefined;
  readonly key: string;
  readonly value: string;
  readonly trainable: boolean;
}

/** Schema of the option `initFrom` of embedded fields. */
export const initialVectorsOption: z.ZodType<InitialVectors | undefined> = z
  .strictObject({
    file: z.string().min(1).describe('File of vectors (.npy, .safetensors or Parquet), relative to the config'),
    keys: z
      .string()
      .min(1)
      .optional()
      .describe('Text file with a value per line, for each row of .npy or .safetensors; default: row numbers'),
    key: z.string().min(1).default('name').describe('Parquet column of the values'),
    value: z
      .string()
      .min(1)
      .default('embedding')
      .describe('Parquet column of the vectors, or tensor of .safetensors; a single tensor needs no name'),
    trainable: z.boolean().default(true).describe('Whether training updates the table'),
  })
  .optional()
  .describe("Pretrained vectors for the table's rows; ignored on resume");
