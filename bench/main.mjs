// The benchmark: `npm run bench` (`--json`: one JSON document; `--quick`: under a minute; `--reproduce`: also times
// `bandalign reproduce`). What is measured, and how: bench/README.md.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ceilingTurn } from './ceiling.mjs';
import { describeMachine, enoughFree, watchMachine } from './machine.mjs';
import { drawPixels, makeData } from './make-data.mjs';
import { median, ratio, takeTurns } from './measure.mjs';
import { startPeer } from './peer.mjs';
import { renderTable } from './render.mjs';
import { timeReproduce } from './reproduce.mjs';

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, reproduce: { type: 'boolean' } },
});
const quick = values.quick ?? false;
const say = (text) => process.stderr.write(`${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'bandalign-bench-'));
process.env.BANDALIGN_CACHE = join(folder, 'cache');
const remove = () => rmSync(folder, { recursive: true, force: true });
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    remove();
    process.exit(130);
  });

/** Both sides must train the same model: the losses of one batch at the same weights agree. */
const checkPeer = async (peer, training, data) => {
  for (const model of ['lut', 'conv']) {
    const { loss, theta } = await training.firstLoss(model, data);
    const path = join(folder, `${model}.f32`);
    writeFileSync(path, new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength));
    const other = await peer.ask({ do: 'loss', model, theta: path });
    if (!(Math.abs(other.loss - loss) <= 1e-4 * Math.abs(loss)))
      throw new Error(`the peer trains another model: ${model} loss ${other.loss}, ours ${loss}`);
  }
};

const measure = async () => {
  const training = await import('./training.mjs');
  const throughput = await import('./throughput.mjs');
  const { prepareData } = await import('../dist/training/prepare-data.js');
  const count = quick ? 16 : 32;
  const root = join(folder, 'data');
  mkdirSync(root);
  say(`making ${count} patches`);
  const { ids, bytes } = await makeData(root, count);
  say('packing');
  const data = await prepareData(training.experimentOf('conv'), root, { onProgress: () => {} });
  const peer = await startPeer(say);
  const machine = watchMachine();
  await machine.look();
  const seconds = quick ? 4 : 40;
  const turns = {};
  try {
    if (peer) {
      const { bandMax } = training.experimentOf('lut').data;
      Object.assign(peer, await peer.ask({ do: 'open', root, patches: ids, bandMax, batch: 4 }));
      await checkPeer(peer, training, data);
    }
    const other =
      (model, memory, compiled = false) =>
      async () =>
        (await peer.ask({ do: 'steps', model, memory, compiled, steps: quick ? 2 : count / 4 })).ms;
    const others = (model) => ({
      ...(peer && { peer: other(model, false), peerInMemory: other(model, true) }),
      ...(peer?.compiles && {
        compiled: other(model, false, true),
        compiledInMemory: other(model, true, true),
      }),
    });
    const otherUnet = (compiled) => async () => (await peer.ask({ do: 'unet', steps: 20, compiled })).ms;
    say('training steps, LUT');
    turns.lut = await takeTurns(
      {
        ours: training.trainingTurns('lut', data, { epochs: 8 }),
        ...others('lut'),
      },
      seconds,
    );
    await machine.look();
    say('training steps, LUT and conv');
    turns.conv = await takeTurns(
      {
        ours: training.trainingTurns('conv', data),
        oursInMemory: training.trainingTurns('conv', data, { memory: true }),
        ...others('conv'),
      },
      seconds,
    );
    await machine.look();
    say('UNet alone');
    turns.unet = await takeTurns(
      {
        ours: training.unetTurn(20),
        ceiling: await ceilingTurn(),
        ...(peer && { peer: otherUnet(false) }),
        ...(peer?.compiles && { compiled: otherUnet(true) }),
      },
      quick ? 2 : 10,
    );
  } finally {
    await peer?.close();
  }
  await machine.look();
  say('statistics, packing, evaluation, application');
  const pixels = Array.from({ length: 4 }, (_, i) => drawPixels(i));
  const times = quick ? 5 : 15;
  const packed = await throughput.packing(root, folder, true, quick ? 1 : 3);
  const rates = {
    statsMsPerPatch: await throughput.statistics(pixels, times),
    packPatchesPerSecond: packed,
    // source and target of 4 bands in int16, mask in a byte
    packGigabytesPerSecond: (packed * 512 * 512 * 17) / 1e9,
    statsOnlyPatchesPerSecond: await throughput.packing(root, folder, false, quick ? 1 : 3),
    evaluationPatchesPerSecond: {
      lut: await throughput.evaluation(data, 'lut', quick ? 2 : 5),
      conv: await throughput.evaluation(data, 'conv', quick ? 2 : 5),
    },
    applyMegapixelsPerSecond: await throughput.application(pixels, 'lut', times * 2),
    applyConvMegapixelsPerSecond: await throughput.application(pixels, 'conv', times * 2),
    sceneMegapixelsPerSecond: await throughput.scene(pixels, folder, quick ? 2 : 6, quick ? 1 : 3),
  };
  await data.close();
  await machine.look();
  const isQuiet = machine.least() >= enoughFree;
  const against = (name, key, ours = 'ours') =>
    isQuiet && turns[name][key] ? ratio(turns[name][key], turns[name][ours]) : null;
  if (turns.unet.compiled)
    turns.unet.better = turns.unet.peer.map((ms, round) => Math.min(ms, turns.unet.compiled[round]));
  const middle = (name, key) => (turns[name][key] ? median(turns[name][key]) : null);
  return {
    quick,
    machine: { ...describeMachine(), free: machine.least(), isQuiet },
    data: { patches: count, size: [512, 512], bands: 4, batch: 4, megabytes: bytes / 1e6 },
    peer: peer
      ? `PyTorch ${peer.torch} with GDAL ${peer.gdal}, ${peer.threads} threads (${peer.python})`
      : null,
    ratios: {
      lut: against('lut', 'peer'),
      conv: against('conv', 'peer'),
      // what ours reads from files in one, it has in memory in the other: the LUT-only step reads no pixels in either
      lutInMemory: against('lut', 'peerInMemory'),
      convInMemory: against('conv', 'peerInMemory', 'oursInMemory'),
      lutCompiled: against('lut', 'compiled'),
      convCompiled: against('conv', 'compiled'),
      lutCompiledInMemory: against('lut', 'compiledInMemory'),
      convCompiledInMemory: against('conv', 'compiledInMemory', 'oursInMemory'),
      unetOneCore: against('unet', turns.unet.better ? 'better' : 'peer'),
    },
    msPerStep: { lut: middle('lut', 'ours'), conv: middle('conv', 'ours') },
    msPerStepInMemory: { lut: middle('lut', 'ours'), conv: middle('conv', 'oursInMemory') },
    msPerStepPeer: { lut: middle('lut', 'peer'), conv: middle('conv', 'peer') },
    msPerStepPeerInMemory: { lut: middle('lut', 'peerInMemory'), conv: middle('conv', 'peerInMemory') },
    msPerStepCompiled: { lut: middle('lut', 'compiled'), conv: middle('conv', 'compiled') },
    msPerStepCompiledInMemory: {
      lut: middle('lut', 'compiledInMemory'),
      conv: middle('conv', 'compiledInMemory'),
    },
    msPerUnetStep: {
      ours: middle('unet', 'ours'),
      peer: middle('unet', 'peer'),
      compiled: middle('unet', 'compiled'),
    },
    /** Multiply-adds of the UNet's products a second, and the most that a core here can do, 10⁹. */
    unetMultiplyAdds: {
      ours: training.unetStepMultiplyAdds() / 1e6 / middle('unet', 'ours'),
      ceiling: 1000 / middle('unet', 'ceiling'),
    },
    rounds: { lut: turns.lut.ours.length, conv: turns.conv.ours.length, unet: turns.unet.ours.length },
    ...rates,
    reproduceSeconds: values.reproduce ? timeReproduce(folder, say) : null,
  };
};

try {
  const result = await measure();
  process.stdout.write(values.json ? `${JSON.stringify(result, null, 2)}\n` : renderTable(result));
} finally {
  remove();
}
