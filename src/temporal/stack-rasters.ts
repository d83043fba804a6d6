import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../fault.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import { writeAll } from '../raster/spill.js';
import type { RasterInfo } from '../raster/tiff-fields.js';
import { type CogWriter, createCog } from '../raster/write-cog.js';
import { dayText, monthsOf, type Period } from './days.js';
import { type Look, looksOf, type MaskStack } from './mask-stack.js';
import { noStatistic, pixelProducts, pixelStatistics } from './pixel-statistics.js';
import { sensorSets } from './statistics.js';

export interface StackOptions {
  /** First and last day; those of the masks by default. */
  from?: number;
  to?: number;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** Bytes of mask bits that lie in memory at once. */
const stripBytes = 16 << 20;
/** Pixels whose statistics are held before they are written. */
const stripPixels = 1 << 18;

/** Sets the bit of every clear pixel; rows begin on whole bytes. */
const pack = (clear: Uint8Array, width: number, height: number, into: Uint8Array): void => {
  const rowBytes = (width + 7) >> 3;
  for (let row = 0; row < height; row++) {
    const end = (row + 1) * width;
    for (let from = row * width, at = row * rowBytes; from < end; from += 8, at++) {
      const last = Math.min(from + 8, end);
      let byte = 0;
      for (let index = from; index < last; index++) byte |= clear[index] << (index - from);
      into[at] |= byte;
    }
  }
};

/** Writes each look's clear pixels as bits, one after another: each mask is decoded once, whatever follows. */
const spillLooks = async (
  stack: MaskStack,
  looks: readonly Look[],
  file: FileHandle,
  { onProgress = ignoreProgress, signal }: StackOptions,
): Promise<void> => {
  const { width, height } = stack;
  const bits = new Uint8Array(((width + 7) >> 3) * height);
  for (const [index, look] of looks.entries()) {
    signal?.throwIfAborted();
    bits.fill(0);
    for (const layer of look.layers) pack(await layer.read(), width, height, bits);
    await writeAll(file, bits, index * bits.length);
    onProgress({ stage: 'reading masks', done: index + 1, total: looks.length, unit: 'dates' });
  }
};

/** The name FORCE would give: years, days of the year, months of the bin, product, sensors, statistic. */
export const forceName = ({ from, to }: Period, kind: string, set: string, code: string): string => {
  const years = `${dayText(from).slice(0, 4)}-${dayText(to).slice(0, 4)}`;
  const months = String(monthsOf({ from, to }).length).padStart(2, '0');
  return `${years}_001-365-${months}_HL_${kind}_${set.toUpperCase()}_${code}.tif`;
};

const infoOf = (stack: MaskStack, period: Period, set: string, index: number): RasterInfo => {
  const { kind, code, type } = pixelProducts[index];
  const unit = code === 'NUM' ? 'observations' : code.startsWith('W') ? '%' : 'days';
  return {
    width: stack.width,
    height: stack.height,
    type,
    bands: [{ name: `${code} [${unit}]` }],
    georeference: stack.georeference,
    nodata: noStatistic,
    metadata: {
      STATISTIC: code,
      SENSORS: set,
      PERIOD: `${dayText(period.from)} to ${dayText(period.to)}`,
      GAPS:
        kind === 'CSO' ? "the period's first and last day are boundaries" : 'between clear observations only',
    },
  };
};

/** Goes through the rows strip by strip: all dates of a strip from the bits, its statistics to the writers. */
const writeSet = async (
  stack: MaskStack,
  looks: readonly Look[],
  chosen: readonly number[],
  period: Period,
  file: FileHandle,
  writers: readonly CogWriter[],
  report: (rows: number) => void,
  signal?: AbortSignal,
): Promise<void> => {
  const { width, height } = stack;
  const rowBytes = (width + 7) >> 3;
  const imageBytes = rowBytes * height;
  const dates = chosen.length;
  const rowsAtOnce = Math.max(
    1,
    Math.min(
      height,
      Math.floor(stripPixels / width),
      Math.floor(stripBytes / (Math.max(1, dates) * rowBytes)),
    ),
  );
  const bits = new Uint8Array(dates * rowsAtOnce * rowBytes);
  const days = Int32Array.from(chosen, (index) => looks[index].day);
  const clearDays = new Int32Array(8 * Math.max(1, dates));
  const ends = new Int32Array(8);
  const values = new Float64Array(pixelProducts.length);
  const statistics = pixelStatistics(period);
  for (let top = 0; top < height; top += rowsAtOnce) {
    signal?.throwIfAborted();
    const rows = Math.min(rowsAtOnce, height - top);
    const length = rows * rowBytes;
    for (let date = 0; date < dates; date++)
      await file.read(bits, date * length, length, chosen[date] * imageBytes + top * rowBytes);
    const out = pixelProducts.map(({ type }) =>
      type === 'int16' ? new Int16Array(rows * width) : new Float32Array(rows * width),
    );
    for (let at = 0; at < length; at++) {
      for (let pixel = 0; pixel < 8; pixel++) ends[pixel] = pixel * dates;
      for (let date = 0; date < dates; date++) {
        let byte = bits[date * length + at];
        while (byte !== 0) {
          const pixel = 31 - Math.clz32(byte & -byte);
          byte &= byte - 1;
          const end = ends[pixel];
          // two sensors on one day are one observation
          if (end > pixel * dates && clearDays[end - 1] === days[date]) continue;
          clearDays[end] = days[date];
          ends[pixel] = end + 1;
        }
      }
      const column = (at % rowBytes) * 8;
      const first = Math.floor(at / rowBytes) * width + column;
      for (let pixel = 0; pixel < 8 && column + pixel < width; pixel++) {
        statistics(clearDays, pixel * dates, ends[pixel], values);
        for (let product = 0; product < out.length; product++) out[product][first + pixel] = values[product];
      }
    }
    for (const [index, band] of out.entries()) await writers[index].write([band], rows);
    report(top + rows);
  }
};

/**
 * Per-pixel statistics of a stack of masks as cloud-optimised GeoTIFFs in FORCE's names, for every set of the stack's
 * sensors: NUM, and MIN, MAX, AVG, STD, RNG, Q25, Q50, Q75, IQR of the gaps in days with the period's edges as
 * boundaries (`CSO`) and without (`GAP`), and W05 … W30, the share of k-day windows with a clear observation, %.
 *
 * Each mask is decoded once and kept as bits in a nameless folder beside the output (dates × pixels / 8 bytes); memory
 * is a few images whatever the number of dates. Returns the names of the files written.
 * @throws Fault for an empty period, or masks before 1970
 */
export const writeStackStatistics = async (
  stack: MaskStack,
  folder: string,
  options: StackOptions = {},
): Promise<string[]> => {
  const { onProgress = ignoreProgress, signal } = options;
  const looks = looksOf(stack.layers);
  const period = { from: options.from ?? looks[0].day, to: options.to ?? looks[looks.length - 1].day };
  if (period.from > period.to || period.from < 0)
    throw new Fault(
      `period: ${dayText(period.from)} to ${dayText(period.to)}; give --from before --to, from 1970 on`,
    );
  if (period.to - period.from > 32_000)
    throw new Fault(
      `period: ${period.to - period.from} days; gaps are stored in 16 bits, give 32 000 days or fewer`,
    );
  const inside = looks.filter(({ day }) => day >= period.from && day <= period.to);
  const sensors = [...new Set(looks.map(({ sensor }) => sensor))];
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, '.masks-'));
  const file = await open(join(scratch, 'bits'), 'w+');
  // where the system lets go of an open file's name, a killed run leaves nothing
  if (process.platform !== 'win32') await rm(scratch, { recursive: true, force: true });
  const names: string[] = [];
  try {
    await spillLooks(stack, inside, file, options);
    for (const sensorsOfSet of sensorSets(sensors)) {
      const set = sensorsOfSet.join('+');
      const chosen = inside.flatMap(({ sensor }, index) => (sensorsOfSet.includes(sensor) ? [index] : []));
      const files = pixelProducts.map(({ kind, code }) => forceName(period, kind, set, code));
      const writers: CogWriter[] = [];
      try {
        for (const [index, name] of files.entries())
          writers.push(
            await createCog(join(folder, name), infoOf(stack, period, set, index), {
              tile: 256,
              level: 4,
            }),
          );
        const report = (done: number): void =>
          onProgress({ stage: `statistics of ${set}`, done, total: stack.height, unit: 'rows' });
        await writeSet(stack, inside, chosen, period, file, writers, report, signal);
        for (const writer of writers) await writer.finish();
      } catch (error) {
        for (const writer of writers) await writer.abort();
        throw error;
      }
      names.push(...files);
    }
  } finally {
    await file.close();
    await rm(scratch, { recursive: true, force: true });
  }
  return names;
};
