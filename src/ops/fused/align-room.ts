import type { PatchPixels } from '../../dataset/patch.js';
import { type AlignPlan, planAlign, writePlan } from './align-plan.js';
import { loadKernel } from './load.js';
import { limitThreads, reserve, scratchAt, sharedMemory, startThreads, threadCount } from './threads.js';

/** kernels/align.entry.ts */
interface AlignKernel {
  runPass(control: number, pass: number, plan: number, units: number): number;
  foldTables(plan: number, sample: number): void;
}

interface Room {
  memory: WebAssembly.Memory;
  kernel: AlignKernel;
  threads: number;
  key: string;
  plan: AlignPlan | null;
}

let room: Room | null = null;

/** The one memory of the process, planned for this batch; planned anew only when the patches change their size. */
export const roomFor = (
  batch: readonly PatchPixels[],
  knots: number,
  bandMax: readonly number[],
): Room & { plan: AlignPlan } => {
  if (!room) {
    const memory = sharedMemory();
    room = {
      memory,
      kernel: loadKernel<AlignKernel>('pixel-error', memory),
      threads: 1,
      key: '',
      plan: null,
    };
  }
  const { width, height } = batch[0];
  const key = `${width}×${height}×${knots}×${bandMax.join()}`;
  const wanted = threadCount();
  if (!room.plan || room.key !== key || room.plan.samples < batch.length || wanted > room.threads) {
    const samples = Math.max(batch.length, room.key === key ? (room.plan?.samples ?? 0) : 0);
    const plan = planAlign({ samples, width, height, knots, bandMax }, Math.max(wanted, room.threads));
    reserve(
      room.memory,
      plan.bytes + 1024,
      `batch: ${Math.ceil(plan.bytes / 2 ** 20)} MiB of pixels; lower train.batchSize or cut smaller patches`,
    );
    writePlan(plan, bandMax, room.memory.buffer);
    const words = new Uint32Array(room.memory.buffer);
    for (let thread = 0; thread < Math.max(wanted, room.threads); thread++)
      words[scratchAt / 4 + thread] = plan.scratch + thread * plan.scratchBytes;
    startThreads('pixel-error', room.memory, room.threads, wanted);
    room = { ...room, key, plan, threads: Math.max(wanted, room.threads) };
  }
  limitThreads(room.memory, wanted);
  return room as Room & { plan: AlignPlan };
};
