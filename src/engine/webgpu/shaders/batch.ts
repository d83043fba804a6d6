/** Numbers of a batch before its places, each of 4 bytes. */
const headWords = 20;
const wordsOfPlace = 4;

/** Bytes of the uniform that says what a step works on. */
export const batchBytes = (samples: number): number => 4 * (headWords + wordsOfPlace * samples);

/** Where a sample lies. */
export interface Place {
  /** Row of the inputs and statistics. */
  row: number;
  /** Buffer of pixels, and word in it. */
  chunk: number;
  word: number;
}

/** What the uniform says beside the places. */
export interface BatchNumbers {
  /** Norms by this batch; else by running statistics. */
  byBatch: boolean;
  /** Where the losses go. */
  slot: number;
  /** Valid pixels times bands, 1 at least. */
  values: number;
  /** Pixels of the batch, valid or not. */
  pixels: number;
}

/** The uniform on the host, written anew each step into the same memory. */
export const batchWriter = (samples: number) => {
  const words = new Uint32Array(batchBytes(samples) / 4);
  const floats = new Float32Array(words.buffer);
  return {
    words,
    /** Numbers of Adam, [9] (see `adamArguments`). */
    rates: floats.subarray(8, 17),
    /** @param place of a sample; the same object may come back each time */
    write: (
      count: number,
      { byBatch, slot, values, pixels }: BatchNumbers,
      place: (i: number) => Place,
    ): void => {
      words[0] = count;
      words[1] = byBatch ? 1 : 0;
      words[2] = slot;
      floats[4] = 2 / values;
      floats[5] = 1 / values;
      floats[6] = byBatch ? 1 / pixels : 0;
      for (let i = 0, at = headWords; i < count; i++, at += wordsOfPlace) {
        const { row, chunk, word } = place(i);
        words[at] = row;
        words[at + 1] = chunk;
        words[at + 2] = word;
      }
    },
  };
};

/** The uniform in shaders. */
export const batchText = (samples: number, binding: number): string => `
struct Batch {
  samples: u32,
  /** 1: norms by this batch; 0: by running statistics. */
  byBatch: u32,
  /** Where the losses go. */
  slot: u32,
  unused: u32,
  /** 2 and 1 over the valid pixels times bands; 1 over all pixels of the batch, 0 with running statistics. */
  factor: f32, perValue: f32, perPixel: f32, unused2: f32,
  /** Of Adam. */
  stepSize: f32, correction: f32, beta1: f32, rest1: f32,
  beta2: f32, rest2: f32, epsilon: f32, decay: f32,
  averageRest: f32, unused3: f32, unused4: f32, unused5: f32,
  /** Of each sample: row of the inputs and statistics; buffer of pixels and word in it. */
  places: array<vec4u, ${samples}>,
}
@group(0) @binding(${binding}) var<uniform> batch: Batch;
`;
