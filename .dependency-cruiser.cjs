// The order in which data flows; a folder imports only from folders after it in this list.
const order = [
  'cli',
  'notebook',
  'reports',
  'sweeps',
  'tracking',
  'scenes',
  'temporal',
  'figures',
  'training',
  'evaluation',
  'experiments',
  'models',
  'losses',
  'metrics',
  'engine',
  'dataset',
  'raster',
  'config',
];

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...order.slice(1).map((folder, index) => ({
      name: `${folder}-imports-only-beneath`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: `^src/(${order.slice(0, index + 1).join('|')})/` },
    })),
    {
      name: 'barrel-is-for-users',
      comment: 'src/index.ts is the public page; the library itself imports files',
      severity: 'error',
      from: { path: '^src/.*/' },
      to: { path: '^src/index\\.ts$' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
