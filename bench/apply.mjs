// Throughput of `bandalign apply` on a scene of Sentinel-2's size, beside GDAL. Needs `npm run build`, gdal-bin and
// python3-gdal, about 4 GB in the temporary folder, and some minutes.
// Each program runs at its own default level of DEFLATE unless --level is given; sizes tell what that costs.
//   node bench/apply.mjs [--size 10980] [--keep DIR] [--level N]
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '10980' },
    level: { type: 'string' },
    keep: { type: 'string' },
  },
});
const size = Number(values.size);
const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'bandalign-bench-'));
mkdirSync(folder, { recursive: true });
const python = process.env.BANDALIGN_TEST_PYTHON ?? '/usr/bin/python3';
const megapixels = (size * size) / 1e6;

/** Seconds, peak resident memory in MB and exit status of a command, by GNU-like accounting of its children. */
const timed = (command, args, env = {}) => {
  const script = `
import resource, subprocess, sys, time, json
start = time.monotonic()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps(dict(code=code, seconds=time.monotonic() - start, cpu=use.ru_utime + use.ru_stime, rss=use.ru_maxrss / 1024)))`;
  const text = execFileSync(python, ['-c', script, command, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const result = JSON.parse(text);
  if (result.code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${result.code}`);
  return result;
};

/** A scene with the statistics of land: smooth relief, fields, texture and sensor noise; a corner of nodata. */
const makeScene = (path) => {
  const code = `
import sys, numpy
from osgeo import gdal, osr
size, path = int(sys.argv[1]), sys.argv[2]
rng = numpy.random.default_rng(7)
ds = gdal.GetDriverByName('GTiff').Create(path, size, size, 4, gdal.GDT_UInt16, ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'COMPRESS=DEFLATE', 'PREDICTOR=2', 'INTERLEAVE=PIXEL', 'NUM_THREADS=ALL_CPUS', 'BIGTIFF=IF_SAFER'])
ds.SetGeoTransform((199980, 10, 0, 3200040, 0, -10))
srs = osr.SpatialReference(); srs.ImportFromEPSG(32629); ds.SetProjection(srs.ExportToWkt())
def smooth(n):
    g = rng.normal(size=(size // n + 3, size // n + 3)).astype('float32')
    return g, n
layers = [(smooth(n), w) for n, w in ((400, 250), (60, 150), (9, 70))]
fields, _ = smooth(37)
means = (500, 800, 900, 2600); noise = (12, 14, 16, 30)
x = numpy.arange(size, dtype='float32')
for y0 in range(0, size, 512):
    rows = min(512, size - y0)
    y = numpy.arange(y0, y0 + rows, dtype='float32')
    base = numpy.zeros((rows, size), 'float32')
    for (g, n), w in layers:
        iy = (y / n).astype(int); fy = (y / n - iy)[:, None]
        ix = (x / n).astype(int); fx = (x / n - ix)[None]
        a = g[iy][:, ix] * (1 - fx) + g[iy][:, ix + 1] * fx
        b = g[iy + 1][:, ix] * (1 - fx) + g[iy + 1][:, ix + 1] * fx
        base += w * (a * (1 - fy) + b * fy)
    plot = fields[(y / 37).astype(int)][:, (x / 37).astype(int)]
    empty = (x[None] + y[:, None]) < size * 0.25
    for band in range(4):
        v = means[band] + base * (0.5 + 0.35 * band) + plot * (60, 80, 120, 500)[band] + rng.normal(0, noise[band], base.shape)
        v = numpy.clip(numpy.rint(v), 1, 12000).astype('uint16')
        v[empty] = 0
        ds.GetRasterBand(band + 1).WriteArray(v, 0, y0)
for band in range(4): ds.GetRasterBand(band + 1).SetNoDataValue(0)
ds = None`;
  execFileSync(python, ['-c', code, String(size), path], { stdio: 'inherit' });
};

/** The same LUT by NumPy on GDAL's blocks, as a person would write it. */
const numpyLut = `
import sys, numpy
from osgeo import gdal
gdal.UseExceptions()
src = gdal.Open(sys.argv[1])
dst = gdal.GetDriverByName('GTiff').Create(sys.argv[2], src.RasterXSize, src.RasterYSize, 4, gdal.GDT_UInt16, ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'COMPRESS=DEFLATE', 'PREDICTOR=2', 'INTERLEAVE=PIXEL', 'NUM_THREADS=ALL_CPUS', 'ZLEVEL=' + sys.argv[3]])
dst.SetGeoTransform(src.GetGeoTransform()); dst.SetProjection(src.GetProjection())
tops = (3000, 3000, 4000, 6500)
luts = [numpy.rint(numpy.interp(numpy.clip(numpy.arange(65536), 0, top - 1), numpy.linspace(0, top - 1, 256), numpy.linspace(1, top * 0.9, 256))).astype('uint16') for top in tops]
for l in luts: l[0] = 0
for b in range(4): dst.GetRasterBand(b + 1).SetNoDataValue(0)
for y in range(0, src.RasterYSize, 512):
    rows = min(512, src.RasterYSize - y)
    data = src.ReadAsArray(0, y, src.RasterXSize, rows)
    for b in range(4): dst.GetRasterBand(b + 1).WriteArray(luts[b][data[b]], 0, y)
dst = None`;

const rows = [];
const record = (name, result, output) => {
  const row = {
    what: name,
    seconds: Number(result.seconds.toFixed(1)),
    'Mpx/s': Number((megapixels / result.seconds).toFixed(1)),
    'CPU s': Number(result.cpu.toFixed(1)),
    'peak RSS MB': Math.round(result.rss),
    'output MB': Math.round(statSync(output).size / 1e6),
  };
  rows.push(row);
  console.log(JSON.stringify(row));
};

const main = async () => {
  const scene = join(folder, 'scene.tif');
  if (!existsSync(scene)) makeScene(scene);
  console.log(
    `scene ${size} × ${size} × 4 uint16, ${Math.round(statSync(scene).size / 1e6)} MB, ${cpus().length} cores`,
  );
  const apply = join(here, 'apply-hand-made.mjs');
  const out = (name) => join(folder, name);
  const gtiff = [
    '-co',
    'TILED=YES',
    '-co',
    'BLOCKXSIZE=512',
    '-co',
    'BLOCKYSIZE=512',
    '-co',
    'INTERLEAVE=PIXEL',
  ];
  const same = ['-co', 'COMPRESS=DEFLATE', '-co', 'PREDICTOR=2'];
  const level = values.level ? ['-co', `ZLEVEL=${values.level}`] : [];
  const ours = values.level ? [values.level] : [];
  const cogLevel = values.level ? ['-co', `LEVEL=${values.level}`] : [];
  const runs = [
    ['bandalign, LUT', process.execPath, [apply, scene, out('lut.tif'), 'lut', ...ours], 'lut.tif'],
    [
      'bandalign, LUT and conv',
      process.execPath,
      [apply, scene, out('conv.tif'), 'conv', ...ours],
      'conv.tif',
    ],
    ['bandalign, LUT, level 1', process.execPath, [apply, scene, out('lut1.tif'), 'lut', '1'], 'lut1.tif'],
    [
      'bandalign, LUT, no overviews',
      process.execPath,
      [apply, scene, out('plain.tif'), 'lut', values.level ?? '-', 'none'],
      'plain.tif',
    ],
    [
      'gdal_translate, 1 thread',
      'gdal_translate',
      ['-q', ...gtiff, ...same, ...level, scene, out('gdal1.tif')],
      'gdal1.tif',
    ],
    [
      'gdal_translate, all cores',
      'gdal_translate',
      ['-q', ...gtiff, ...same, ...level, '-co', 'NUM_THREADS=ALL_CPUS', scene, out('gdaln.tif')],
      'gdaln.tif',
    ],
    [
      'gdal_translate -of COG, all cores',
      'gdal_translate',
      [
        '-q',
        '-of',
        'COG',
        '-co',
        'COMPRESS=DEFLATE',
        '-co',
        'PREDICTOR=YES',
        ...cogLevel,
        '-co',
        'RESAMPLING=AVERAGE',
        '-co',
        'NUM_THREADS=ALL_CPUS',
        scene,
        out('cog.tif'),
      ],
      'cog.tif',
    ],
    [
      'NumPy LUT over GDAL, all cores',
      python,
      ['-c', numpyLut, scene, out('numpy.tif'), values.level ?? '6'],
      'numpy.tif',
    ],
  ];
  for (const [name, command, args, file] of runs) {
    record(name, timed(command, args), out(file));
    rmSync(out(file), { force: true });
  }
  console.table(rows);
  const [lut, conv, fast, plain, , , cog, numpy] = rows;
  const ahead = (ours, peer) => (peer.seconds / ours.seconds).toFixed(2);
  console.log(
    `times faster than gdal_translate -of COG on all cores: LUT ${ahead(lut, cog)}, at level 1 ${ahead(fast, cog)}, conv ${ahead(conv, cog)}; without overviews, than NumPy over GDAL: ${ahead(plain, numpy)}`,
  );
  if (!values.keep) rmSync(folder, { recursive: true });
  else writeFileSync(join(folder, 'apply.json'), JSON.stringify(rows, null, 2));
};

await main();
