const number = (value, digits) => (value === null ? '–' : value.toFixed(digits));
const times = (value) => (value === null ? '–' : `${value.toFixed(value < 10 ? 1 : 0)}×`);

/** Text columns, the first to the left, the others to the right. */
const columns = (rows) => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
    )
    .join('\n');
};

/** The result as the one table that `npm run bench` prints. */
export const renderTable = (result) => {
  const { machine, ratios } = result;
  const step = (kind) => [
    number(result.msPerStep[kind], 1),
    number(result.msPerStepInMemory[kind], 1),
    number(result.msPerStepPeer[kind], 0),
    times(ratios[kind]),
    number(result.msPerStepPeerInMemory[kind], 0),
    times(ratios[`${kind}InMemory`]),
    number(result.msPerStepCompiled[kind], 0),
    times(ratios[`${kind}Compiled`]),
    number(result.msPerStepCompiledInMemory[kind], 0),
    times(ratios[`${kind}CompiledInMemory`]),
  ];
  const unet = result.msPerUnetStep;
  const steps = columns([
    [
      ...['training step, batch 4 × 512² (ms)', 'ours', 'in memory', 'eager', '', 'in memory', ''],
      ...['compiled', '', 'in memory', ''],
    ],
    ['UNet-LUT', ...step('lut')],
    ['UNet-LUT-conv', ...step('conv')],
    [
      ...['UNet alone, one core', number(unet.ours, 1), '', '', '', number(unet.peer, 1), '', '', ''],
      ...[number(unet.compiled, 1), times(ratios.unetOneCore)],
    ],
  ]);
  const { ours, ceiling } = result.unetMultiplyAdds;
  const { lut, conv } = result.evaluationPatchesPerSecond;
  const rates = columns([
    [
      "the UNet's products, one core",
      number(ours, 1),
      `G multiply-adds/s, ${number(ours / ceiling, 2)} of the ${number(ceiling, 1)} that SIMD reaches here`,
    ],
    ['statistics of a decoded patch', number(result.statsMsPerPatch, 1), 'ms, one core'],
    [
      'packing, statistics and pixels',
      number(result.packPatchesPerSecond, 1),
      `patches/s (${number(result.packGigabytesPerSecond, 2)} GB/s decoded)`,
    ],
    ['packing, statistics alone', number(result.statsOnlyPatchesPerSecond, 1), 'patches/s'],
    ['evaluation, LUT', number(lut, 0), 'patches/s'],
    ['evaluation, LUT and conv', number(conv, 0), 'patches/s'],
    ['LUT applied, in memory', number(result.applyMegapixelsPerSecond, 0), 'Mpx/s of 4 bands, one core'],
    ['LUT and conv applied', number(result.applyConvMegapixelsPerSecond, 0), 'Mpx/s of 4 bands, one core'],
    ['a scene, GeoTIFF to COG', number(result.sceneMegapixelsPerSecond, 1), 'Mpx/s of 4 bands'],
    ...(result.reproduceSeconds === null
      ? []
      : [['npm run reproduce', number(result.reproduceSeconds, 0), 's']]),
  ]);
  const about = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}; load ${number(machine.loadAverage, 1)}`,
    `peer: ${result.peer ?? 'none'}`,
    ...(machine.isQuiet
      ? []
      : [
          `no ratios: others took ${Math.round(100 * (1 - machine.free))} % of the processors at times; run it again on a quiet machine`,
        ]),
    `medians of ${result.rounds.lut}, ${result.rounds.conv} and ${result.rounds.unet} interleaved rounds`,
  ];
  return `${[steps, rates, about.join('\n')].join('\n\n')}\n`;
};
