import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkDataset } from '../../src/dataset/check.js';
import { type ExperimentInput, resolveExperiment } from '../../src/experiments/experiment.js';
import { withRaster } from '../../src/raster/read.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { readSceneList } from '../../src/scenes/scene-list.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { makeRun } from '../../src/training/run.js';
import { readSafetensors } from '../../src/training/safetensors.js';
import { dataOf, faultsOf } from '../dataset/dataset-on-disk.js';
import { withRangesOf } from './serve-ranges.js';

/** A Python with tifffile, rasterio and glymur: `test/services/rasters.sh install` prints its path. */
const python = process.env['BANDALIGN_TEST_RASTERS'];
const missing = python ? '' : ' (skipped: BANDALIGN_TEST_RASTERS names no Python; test/services/rasters.sh)';
const weights = join(import.meta.dirname, '../fixtures/raster-cases/model/linear.safetensors');

const lines = [
  [0.9, 50],
  [0.8, 100],
  [1.1, -20],
  [0.7, 300],
];
const names = ['blue', 'green', 'red', 'nir'];
const side = 16;
/** Reflectance × 10 000 of every file here, where its pixels are valid. */
const truth = (band: number, i: number): number => 10 * (20 + 40 * band + (i % 97));
/** Rows 0 to 4 hold no data in the files that say so. */
const isHole = (i: number): boolean => Math.floor(i / side) < 5;

/** What the pieces of Python below share: `a` is the truth, `hole` where no data are. */
const prelude = `
import os, sys, json, shutil, warnings, numpy, tifffile, rasterio, glymur
from rasterio.enums import ColorInterp
warnings.filterwarnings('ignore')
a = numpy.stack([10.0 * (20 + 40 * b + numpy.arange(256).reshape(16, 16) % 97) for b in range(4)])
hole = numpy.zeros((16, 16), bool); hole[:5] = True
def holed(x, value): return numpy.where(hole, value, x)
def items(*lines): return (42112, 's', 0, '<GDALMetadata>' + ''.join(lines) + '</GDALMetadata>', True)
def item(name, sample, role, text): return f'<Item name="{name}" sample="{sample}"' + (f' role="{role}"' if role else '') + f'>{text}</Item>'
def by_tifffile(x, type='uint16', path='in.tif', **more):
    tifffile.imwrite(path, numpy.round(x).astype(type) if numpy.dtype(type).kind in 'iu' else x.astype(type), photometric='minisblack', planarconfig='separate' if len(x) > 1 else None, **more)
def by_rasterio(x, type='uint16', path='in.tif', first=None, then=None, env={}, **more):
    with rasterio.Env(**env), rasterio.open(path, 'w', **{**dict(driver='GTiff', width=16, height=16, count=len(x), dtype=type), **more}) as d:
        if first: first(d)
        d.write(numpy.round(x).astype(type) if numpy.dtype(type).kind in 'iu' else x.astype(type))
        if then: then(d)
def by_glymur(x, path, **more):
    x = numpy.round(x).astype('uint16')
    glymur.Jp2k(path, data=numpy.ascontiguousarray(numpy.moveaxis(x, 0, -1)) if x.ndim == 3 and len(x) > 1 else x.squeeze(), numres=2, **more)
def told(**what):
    def then(d):
        for name, value in what.items(): setattr(d, name, value)
    return then
def text(path, words):
    with open(path, 'w') as f: f.write(words)
utm = dict(crs='EPSG:32650', transform=rasterio.transform.from_origin(300000, 5700000, 10, 10))
`;

type Pair = NonNullable<NonNullable<ExperimentInput['data']>['pair']>;

interface Sibling {
  kind: string;
  /** The program that wrote it, and how. */
  by: string;
  code: string;
  /** Rows 0 to 4 are no data. */
  hole?: true;
  /** The file says its units, or --boa-offset 0 is given. */
  states?: true;
  request?: Partial<SceneRequest>;
  pair?: Partial<Pair>;
  /** EPSG code of the product and of its STAC item; null for none, and so no geometry. */
  epsg?: number | null;
  /** The line that a scene is refused with. @default it is aligned exactly */
  apply?: RegExp;
  /** The line that a pair is refused with, in training and in `dataset check`. @default `train linear` finds the lines */
  train?: RegExp;
}

const scaled = (by: string): string => `${by}, reflectance = 0.0001 · stored − 0.1`;
const siblings: Sibling[] = [
  // infinity is never a value
  {
    kind: 'float-infinity',
    by: 'tifffile, −inf in some bands, +inf in others',
    code: `x = holed(a, -numpy.inf); x[2] = holed(a[2], numpy.inf); by_tifffile(x, 'float32')`,
    hole: true,
  },
  {
    kind: 'float-infinity',
    by: 'rasterio, doubles, +inf beside a nodata tag',
    code: `x = holed(a, numpy.inf); x[0] = holed(a[0], -9999); by_rasterio(x, 'float64', nodata=-9999)`,
    hole: true,
  },
  // units by what nearly all values are, not by the largest
  {
    kind: 'float01-outlier',
    by: 'tifffile, doubles, a glint of 12 and a negative',
    code: `x = a / 1e4; x[1, 3, 3] = 12; x[2, 4, 4] = -0.01; by_tifffile(x, 'float64')`,
    apply: /^scale: .* give --scale 1 if/,
    train: /data\.pair\.scale=1/,
  },
  {
    kind: 'float01-outlier',
    by: 'rasterio, NaN for no data and a value of 70',
    code: `x = holed(a / 1e4, numpy.nan); x[0, 9, 9] = 70; by_rasterio(x, 'float32', nodata=numpy.nan)`,
    apply: /^scale: .* give --scale 1 if/,
    train: /data\.pair\.scale=1/,
  },
  {
    kind: 'float01-outlier',
    by: 'rasterio, in percent with one of 900',
    code: `x = a / 100; x[0, 9, 9] = 900; by_rasterio(x, 'float32')`,
    apply: /^scale: .* give --scale 100 if/,
    train: /data\.pair\.scale=100/,
  },
  // a scale is what GDAL takes for one
  {
    kind: 'force-scale-domain',
    by: 'rasterio, an item called Scale in a domain of its own',
    code: `by_rasterio(a, then=lambda d: [d.update_tags(b, ns='FORCE', Scale='10000.000', Domain='BLUE') for b in (1, 2, 3, 4)])`,
  },
  {
    kind: 'force-scale-domain',
    by: 'tifffile, items called scale and offset without a role',
    code: `by_tifffile(a, extratags=[items(*[item('scale', b, '', '0.0001') + item('offset', b, '', '-0.1') for b in range(4)])])`,
  },
  {
    kind: 'force-scale-domain',
    by: 'rasterio, an item scale_factor of the whole file',
    code: `by_rasterio(a, then=lambda d: d.update_tags(scale_factor='0.0001', SCALE='10000'))`,
  },
  // JPEG 2000 of many components
  ...[2, 5].map(
    (bands): Sibling => ({
      kind: 'jp2-4-components',
      by: `glymur, ${bands} components`,
      code: `by_glymur(numpy.concatenate([a, a])[:${bands}], 'in.jp2', mct=False)`,
      apply: new RegExp(`${bands} components in one JPEG 2000 are not read, .*gdal_translate`),
      train: new RegExp(`${bands} components in one JPEG 2000 are not read, .*gdal_translate`),
    }),
  ),
  {
    kind: 'jp2-4-components',
    by: 'rasterio (OpenJPEG)',
    code: `by_rasterio(a, path='in.jp2', driver='JP2OpenJPEG', REVERSIBLE='YES', QUALITY='100')`,
    apply: /4 components in one JPEG 2000 are not read, .*gdal_translate/,
    train: /4 components in one JPEG 2000 are not read, .*gdal_translate/,
  },
  // Level-1C
  ...[
    ['baseline 05.09', 'S2B_MSIL1C_20230405T112119_N0509_R037_T50UKC_20230405T135236.SAFE'],
    ['the format of before 2016', 'S2A_OPER_PRD_MSIL1C_PDMC_20160103T180432_R037_V20160103T112119.SAFE'],
  ].map(
    ([version, product]): Sibling => ({
      kind: 'l1c-old',
      by: `glymur, ${version}`,
      code: `
at = '${product}/GRANULE/L1C_T50UKC/IMG_DATA'; os.makedirs(at)
for b, name in enumerate(['B02', 'B03', 'B04', 'B08']): by_glymur(a[b:b+1] + 1000, f'{at}/T50UKC_20230405T112119_{name}.jp2')
text('${product}/${product.includes('OPER') ? 'S2A_OPER_MTD_SAFL1C_PDMC_20160103T180432_R037_V20160103T112119.xml' : 'MTD_MSIL1C.xml'}', '<n1:Level-1C_User_Product xmlns:n1="x"/>')`,
      request: { inputs: [product] },
      apply: /Level-1C is top-of-atmosphere/,
    }),
  ),
  // half-named files
  {
    kind: 'names-b8a-rgbn',
    by: 'rasterio, B4, B3, B2 and the narrow near infrared',
    code: `by_rasterio(a[[2, 1, 0, 3]], then=told(descriptions=('B4', 'B3', 'B2', 'B8A')))`,
    apply: /no band is nir; .*--bands 3,2,1,\?/,
    train: /no band is nir; .*data\.pair\.sourceBands=3,2,1,\?/,
  },
  {
    kind: 'names-b8a-rgbn',
    by: 'tifffile, both near infrareds, the narrow one first',
    code: `x = numpy.stack([a[3] * 0 + 7, a[3], a[2], a[0], a[1]]); by_tifffile(x, extratags=[items(*[item('DESCRIPTION', b, 'description', n) for b, n in enumerate(['B8A', 'B08', 'B04', 'B02', 'B03'])])])`,
  },
  {
    kind: 'names-b8a-rgbn',
    by: 'rasterio, one name alone',
    code: `by_rasterio(a, then=told(descriptions=('', '', 'red', '')))`,
    apply: /no band is blue or green or nir; .*--bands \?,\?,3,\?/,
    train: /no band is blue or green or nir; .*data\.pair\.sourceBands=\?,\?,3,\?/,
  },
  // a nodata tag of several numbers
  ...[
    ['0 0 0 0', 'uint16', 0],
    ['65535 65535 65535 65535', 'uint16', 65535],
    ['-32768, -32768, -32768, -32768', 'int16', -32768],
  ].map(
    ([tag, type, value]): Sibling => ({
      kind: 'nodata-list-string',
      by: `tifffile, ${tag}`,
      code: `by_tifffile(holed(a, ${value}), '${type}', extratags=[(42113, 's', 0, '${tag}', True)])`,
      hole: true,
    }),
  ),
  // no data of a float's tag is the float nearest to it
  ...[
    ['-9999.9', '-9999.9'],
    ['-3.4028234663852886e+38', 'numpy.finfo("f4").min'],
    ['-3.40282347e+38', 'numpy.finfo("f4").min'],
    ['1e20', '1e20'],
    ['0.1', '0.1'],
  ].map(
    ([tag, value]): Sibling => ({
      kind: 'train-float-nodata-tag',
      by: `tifffile, ${tag}`,
      code: `by_tifffile(holed(a, ${value}), 'float32', extratags=[(42113, 's', 0, '${tag}', True)])`,
      hole: true,
    }),
  ),
  {
    kind: 'train-float-nodata-tag',
    by: 'rasterio, -9999.9',
    code: `by_rasterio(holed(a, -9999.9), 'float32', nodata=-9999.9)`,
    hole: true,
  },
  // masks of the file itself
  ...[
    ['inside', 'YES'],
    ['in .msk', 'NO'],
  ].map(
    ([where, inside]): Sibling => ({
      kind: 'train-internal-mask',
      by: `rasterio, ${where}`,
      code: `by_rasterio(holed(a, 0), env=dict(GDAL_TIFF_INTERNAL_MASK='${inside}'), then=lambda d: d.write_mask(~hole))`,
      hole: true,
    }),
  ),
  {
    kind: 'train-internal-mask',
    by: 'rasterio, an alpha band',
    code: `by_rasterio(numpy.concatenate([holed(a, 0), numpy.where(hole, 0, 65535)[None]]), first=told(colorinterp=[ColorInterp.gray] + [ColorInterp.undefined] * 3 + [ColorInterp.alpha]))`,
    hole: true,
  },
  {
    kind: 'train-internal-mask',
    by: 'tifffile, a second page of one bit',
    code: `
with tifffile.TiffWriter('in.tif') as w:
    w.write(numpy.moveaxis(holed(a, 0).astype('uint16'), 0, -1), photometric='minisblack', planarconfig='contig')
    w.write(~hole, photometric=4, subfiletype=4)`,
    hole: true,
  },
  // a mask file's own nodata and own mask
  {
    kind: 'train-mask-nodata-255',
    by: 'rasterio',
    code: `by_rasterio(holed(a, 9)); by_rasterio(numpy.where(hole, 255, 1)[None], 'uint8', 'm.tif', nodata=255)`,
    hole: true,
    pair: { mask: 'm.tif' },
  },
  {
    kind: 'train-mask-nodata-255',
    by: 'tifffile, floats with NaN',
    code: `by_tifffile(holed(a, 9)); by_tifffile(numpy.where(hole, numpy.nan, 1)[None], 'float32', 'm.tif')`,
    hole: true,
    pair: { mask: 'm.tif' },
  },
  {
    kind: 'train-mask-nodata-255',
    by: 'rasterio, under a .msk of its own',
    code: `by_rasterio(holed(a, 9)); by_rasterio(numpy.ones((1, 16, 16)), 'uint8', 'm.tif', env=dict(GDAL_TIFF_INTERNAL_MASK='NO'), then=lambda d: d.write_mask(~hole))`,
    hole: true,
    pair: { mask: 'm.tif' },
  },
  // a download of which a band is missing: nothing else serves as it
  ...[
    [
      'red',
      ['R10m/B02_10m', 'R10m/B03_10m', 'R10m/B08_10m', 'R20m/B8A_20m', 'R20m/B05_20m'],
      /^band red: B04 is missing in/,
    ],
    [
      'near infrared',
      ['R10m/B02_10m', 'R10m/B03_10m', 'R10m/B04_10m', 'R20m/B8A_20m'],
      /^band nir: B08 is missing in/,
    ],
  ].map(
    ([band, files, line]): Sibling => ({
      kind: 'safe-missing-b08',
      by: `glymur, without ${band}`,
      code: `
at = 'S2A_MSIL2A_20200219T112119_N0214_R037_T50UKC_20200219T135236.SAFE/GRANULE/L2A_T50UKC_A024346_20200219T112119'
for b in ${JSON.stringify(files)}:
    folder, name = b.split('/'); os.makedirs(f'{at}/IMG_DATA/{folder}', exist_ok=True)
    by_glymur(a[:1] + 1000, f'{at}/IMG_DATA/{folder}/T50UKC_20200219T112119_{name}.jp2')
os.makedirs(f'{at}/QI_DATA')
for b in ('B04', 'B08'): by_glymur(a[:1], f'{at}/QI_DATA/MSK_DETFOO_{b}.jp2')
text(at.split('/')[0] + '/MTD_MSIL2A.xml', '<n1:Level-2A_User_Product xmlns:n1="x"><QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE></n1:Level-2A_User_Product>')`,
      request: { inputs: ['S2A_MSIL2A_20200219T112119_N0214_R037_T50UKC_20200219T135236.SAFE'] },
      apply: line as RegExp,
    }),
  ),
  // the place that stands beside a file
  {
    kind: 'pam-crs',
    by: 'rasterio, a baseline TIFF',
    code: `by_rasterio(a, profile='BASELINE', **utm)`,
    epsg: 32650,
  },
  {
    kind: 'pam-crs',
    by: 'tifffile, well-known text of 2019 and a world file',
    code: `
by_tifffile(a); text('in.tfw', '10\\n0\\n0\\n-10\\n300005\\n5699995\\n')
text('in.tif.aux.xml', '<PAMDataset><SRS dataAxisToSRSAxisMapping="1,2">' + rasterio.CRS.from_epsg(32736).to_wkt(version='WKT2_2019') + '</SRS></PAMDataset>')`,
    epsg: 32736,
  },
  // a projection without a code has no place on the globe
  ...[
    [
      'a projection of the user’s own without a method',
      '1, 1, 0, 3, 1024, 0, 1, 1, 2048, 0, 1, 4326, 3072, 0, 1, 32767',
      null,
    ],
    ['a projection that stands nowhere', '1, 1, 0, 1, 1024, 0, 1, 1', null],
    ['degrees', '1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326', 4326],
  ].map(
    ([what, keys, epsg]): Sibling => ({
      kind: 'stac-no-pcs-key',
      by: `tifffile, ${what}`,
      code: `by_tifffile(a, extratags=[(34735, 'H', ${(keys as string).split(',').length}, (${keys}), True), (33550, 'd', 3, (${epsg ? '0.1, 0.1' : '10., 10.'}, 0.), True), (33922, 'd', 6, (0., 0., 0., ${epsg ? '100., 50.' : '300000., 5700000.'}, 0.), True)])`,
      epsg: epsg as number | null,
    }),
  ),
  // units that a file states
  {
    kind: 'train-scale-offset-tags',
    by: scaled('rasterio'),
    code: `by_rasterio(a + 1000, then=told(scales=(1e-4,) * 4, offsets=(-0.1,) * 4))`,
    states: true,
  },
  {
    kind: 'train-scale-offset-tags',
    by: scaled('tifffile'),
    code: `by_tifffile(a + 1000, 'int16', extratags=[items(*[item('SCALE', b, 'scale', '0.0001') + item('OFFSET', b, 'offset', '-0.1') for b in range(4)])])`,
    states: true,
  },
  {
    kind: 'train-scale-offset-tags',
    by: 'rasterio, another scale in each band, kept in .aux.xml',
    code: `by_rasterio(a * numpy.array([1, 2, 4, 5])[:, None, None], 'int32', profile='BASELINE', then=told(scales=(1e-4, 5e-5, 2.5e-5, 2e-5)))`,
    states: true,
  },
  {
    kind: 'tag-scale1-offset-1000',
    by: 'rasterio',
    code: `by_rasterio(a + 1000, 'int16', then=told(scales=(1.0,) * 4, offsets=(-1000.0,) * 4))`,
    states: true,
  },
  {
    kind: 'tag-scale1-offset-1000',
    by: 'tifffile, the offset alone',
    code: `by_tifffile(a + 1000, extratags=[items(*[item('OFFSET', b, 'offset', '-1000') for b in range(4)])])`,
    states: true,
  },
  // codecs: read exactly or refused by name
  ...[
    ['WEBP', `by_rasterio(a, 'uint8', compress='WEBP', WEBP_LOSSLESS='YES', interleave='pixel')`],
    ['LZMA', `by_rasterio(a, compress='LZMA')`],
    ['LZMA', `by_tifffile(a, compression='lzma')`],
    ['JPEG', `by_rasterio(a, 'uint8', compress='JPEG')`],
    ['JPEG XL', `by_tifffile(a, compression='jpegxl')`],
  ].map(
    ([codec, code]): Sibling => ({
      kind: 'codecs',
      by: `${code.slice(3, 11)}, ${codec}`,
      code,
      apply: new RegExp(`in\\.tif; .*${codec}.*gdal_translate`, 'i'),
      train: new RegExp(`in\\.tif; .*${codec}.*gdal_translate`, 'i'),
    }),
  ),
  ...[9, 11, 12, 14, 15].map(
    (bits): Sibling => ({
      kind: 'codecs',
      by: `rasterio, NBITS=${bits}`,
      code: `by_rasterio(a ${bits < 12 ? '* 0.1' : ''}, nbits=${bits}, ${bits % 2 ? "compress='LZW', interleave='pixel'" : "compress='DEFLATE', tiled=True, blockxsize=16, blockysize=16"}${bits < 12 ? ', then=told(scales=(1e-3,) * 4)' : ''})`,
      ...(bits < 12 ? { states: true } : {}),
    }),
  ),
  ...['LERC', 'LERC_ZSTD', 'LERC_DEFLATE', 'ZSTD'].map(
    (codec): Sibling => ({
      kind: 'codecs',
      by: `rasterio, ${codec}`,
      code: `by_rasterio(holed(a, numpy.nan), 'float32', compress='${codec}')`,
      hole: true,
    }),
  ),
  {
    kind: 'codecs',
    by: 'rasterio, LERC of uint32',
    code: `by_rasterio(a, 'uint32', compress='LERC')`,
    apply: /in\.tif; LERC of uint32, .*gdal_translate/,
    train: /in\.tif; LERC of uint32, .*gdal_translate/,
  },
  // other containers
  {
    kind: 'vrt',
    by: 'rasterio, a copy',
    code: `by_rasterio(a); import rasterio.shutil; rasterio.shutil.copy('in.tif', 'in.vrt', driver='VRT')`,
    request: { inputs: ['in.vrt'] },
    pair: { source: 'in.vrt' },
    apply: /in\.vrt; a VRT, .*gdal_translate/,
    train: /in\.vrt; a VRT, .*gdal_translate/,
  },
  {
    kind: 'vrt',
    by: 'GDAL’s text, a stack of bands',
    code: `
for b in range(4): by_rasterio(a[b:b+1], path=f'B{b}.tif')
text('in.vrt', '<?xml version="1.0"?>\\n<!-- a stack -->\\n<VRTDataset rasterXSize="16" rasterYSize="16">' + ''.join(f'<VRTRasterBand dataType="UInt16" band="{b+1}"><SimpleSource><SourceFilename relativeToVRT="1">B{b}.tif</SourceFilename></SimpleSource></VRTRasterBand>' for b in range(4)) + '</VRTDataset>')`,
    request: { inputs: ['in.vrt'] },
    pair: { source: 'in.vrt' },
    apply: /in\.vrt; a VRT, .*gdal_translate/,
    train: /in\.vrt; a VRT, .*gdal_translate/,
  },
  // what stands beside a file and is bad
  ...[
    [
      'truncated',
      `by_rasterio(a, profile='BASELINE', then=told(scales=(0.5,) * 4)); t = open('in.tif.aux.xml').read(); text('in.tif.aux.xml', t[:len(t) // 2])`,
      /in\.tif\.aux\.xml; not XML \(/,
    ],
    [
      'of another root',
      `by_rasterio(a); text('in.tif.aux.xml', '<metadata><idinfo/></metadata>')`,
      /in\.tif\.aux\.xml; its root is not PAMDataset/,
    ],
    [
      'a page of a portal',
      `by_tifffile(a); text('in.tif.aux.xml', '<!DOCTYPE html><html><body>sign in<br></body></html>')`,
      /in\.tif\.aux\.xml; (not XML|its root is not PAMDataset)/,
    ],
    [
      'bytes',
      `by_tifffile(a); open('in.tif.aux.xml', 'wb').write(bytes(range(256)))`,
      /in\.tif\.aux\.xml; not XML \(/,
    ],
    [
      'a cut .msk',
      `by_rasterio(a); open('in.tif.msk', 'wb').write(open('in.tif', 'rb').read()[:90])`,
      /in\.tif\.msk; /,
    ],
    [
      'a .msk of another size',
      `by_rasterio(a); by_rasterio(numpy.ones((1, 8, 8)), 'uint8', 'in.tif.msk', width=8, height=8)`,
      /in\.tif\.msk; 8 × 8 pixels, .* has 16 × 16/,
    ],
    ['a cut world file', `by_tifffile(a); text('in.tfw', '10\\n0\\n0\\n-1')`, /in\.tfw; not six numbers/],
    [
      'names that contradict colours',
      `by_rasterio(a, photometric='RGB', then=told(descriptions=('blue', 'green', 'red', 'nir')))`,
      /calls band 1 blue and colours it red; say which they are/,
    ],
    [
      'names that contradict colours',
      `by_tifffile(a, extratags=[items(*[item('DESCRIPTION', b, 'description', n) + item('COLORINTERP', b, 'colorinterp', c) for b, n, c in ((0, 'B02', 'Blue'), (1, 'B03', 'Red'), (2, 'B04', 'Green'), (3, 'B08', 'Undefined'))])])`,
      /calls band 2 B03 and colours it red; say which they are/,
    ],
    ['a scale of 0', `by_rasterio(a, then=told(scales=(1.0, 1.0, 0.0, 1.0)))`, /in\.tif; .*a scale of 0/],
  ].map(
    ([what, code, line], index): Sibling => ({
      kind: 'bad beside',
      by: `${what} (${index + 1})`,
      code: code as string,
      apply: line as RegExp,
      train: line as RegExp,
    }),
  ),
  ...[
    [
      'another size',
      `by_rasterio(numpy.ones((1, 16, 12)), 'uint8', 'm.tif', width=12)`,
      /m\.tif(; 12 × 16 pixels, .*| is 12 × 16, the scene )16 × 16/,
    ],
    [
      'another place',
      `by_rasterio(numpy.ones((1, 16, 16)), 'uint8', 'm.tif', crs='EPSG:32650', transform=rasterio.transform.from_origin(300100, 5700000, 10, 10))`,
      /m\.tif;? lies elsewhere/,
    ],
  ].map(
    ([what, code, line]): Sibling => ({
      kind: 'bad beside',
      by: `a mask file of ${what}`,
      code: `by_rasterio(a, **utm); ${code}`,
      request: { mask: 'm.tif' },
      pair: { mask: 'm.tif' },
      apply: line as RegExp,
      train: line as RegExp,
    }),
  ),
];

let folder: string;
const placeOf = (sibling: Sibling): string => join(folder, String(siblings.indexOf(sibling)));

/** What a sibling's program wrote. */
const inputIn = (at: string): string => ['in.tif', 'in.jp2'].find((name) => existsSync(join(at, name))) ?? '';

beforeAll(() => {
  if (missing) return;
  folder = mkdtempSync(join(tmpdir(), 'bandalign-siblings-'));
  const pieces = siblings.map(
    ({ code }, index) => `
os.makedirs(os.path.join(sys.argv[1], '${index}')); os.chdir(os.path.join(sys.argv[1], '${index}'))
by_tifffile(numpy.stack([s * a[b] + i for b, (s, i) in enumerate(${JSON.stringify(lines)})]), 'int16', 't.tif')
${code.trim()}`,
  );
  const script = join(folder, 'write.py');
  writeFileSync(script, prelude + pieces.join('\n'));
  execFileSync(python ?? '', [script, folder], { stdio: ['ignore', 'ignore', 'inherit'] });
}, 120_000);
afterAll(() => {
  if (!missing) rmSync(folder, { recursive: true });
});

/** Folders of a provider, which scenes are made of and pairs are not. */
const isProduct = new Set(['l1c-old', 'safe-missing-b08']);

const titled = siblings.map((sibling) => [`${sibling.kind}: ${sibling.by}`, sibling] as const);

describe.skipIf(missing)(`files of other programs, beside the reported ones${missing}`, () => {
  // pixels that a mask file leaves out of training are aligned all the same
  test.each(titled.filter(([, { kind }]) => kind !== 'train-mask-nodata-255'))(
    '%s, in a scene',
    async (_, sibling) => {
      const at = placeOf(sibling);
      const { inputs, mask, ...more } = sibling.request ?? {};
      const input = inputIn(at);
      const out = join(at, 'out/a.tif');
      const align = async () =>
        applyScene(
          {
            inputs: (inputs ?? [input]).map((name) => join(at, name)),
            out,
            ...(mask ? { mask: join(at, mask) } : {}),
            ...(sibling.states ? {} : { boaOffset: 0 }),
            ...more,
          },
          { aligner: await loadAligner(weights), weights },
        );
      if (sibling.apply) {
        expect(await faultsOf(align)).toEqual([expect.stringMatching(sibling.apply)]);
        return expect(existsSync(out)).toBe(false);
      }
      const { item } = await align();
      if (sibling.epsg !== undefined) {
        const code = sibling.epsg === null ? null : `EPSG:${sibling.epsg}`;
        expect(await withRaster(out, async ({ georeference }) => georeference?.epsg ?? null)).toBe(
          sibling.epsg,
        );
        const { geometry, properties } = JSON.parse(readFileSync(item, 'utf8')) as Record<
          string,
          Record<string, unknown>
        >;
        expect([properties['proj:code'], geometry === null]).toEqual([code, code === null]);
      }
      const { bands, nodata } = await withRaster(out, async (raster) => ({
        bands: await raster.read(),
        nodata: raster.nodata === null ? null : Math.fround(raster.nodata),
      }));
      const wrong = bands.flatMap((band, b) =>
        Array.from(band).flatMap((value, i) => {
          const right = lines[b][0] * truth(b, i) + lines[b][1];
          const isNone = Number.isNaN(value) || value === nodata;
          const isRight = sibling.hole && isHole(i) ? isNone : !isNone && Math.abs(value - right) < 0.01;
          return isRight ? [] : [`${names[b]} ${i}: ${value} for ${right}`];
        }),
      );
      expect(wrong.slice(0, 3)).toEqual([]);
    },
  );

  test.each(titled.filter(([, { kind }]) => !isProduct.has(kind)))(
    '%s, in training and dataset check',
    async (_, sibling) => {
      const at = placeOf(sibling);
      const { mask, source } = sibling.pair ?? {};
      const input = source ?? inputIn(at);
      const data: ExperimentInput['data'] = {
        pair: { source: input, target: 't.tif', patch: [4, 16], ...(mask ? { mask } : {}) },
      };
      const train = () =>
        makeRun({
          experiment: resolveExperiment({ model: { kind: 'linear' }, data }),
          root: at,
          tag: 'run',
          outputDir: join(at, 'outputs'),
          onProgress: () => {},
          onNote: () => {},
        });
      const check = await checkDataset(at, dataOf(data)).then(
        ({ faults }) => faults,
        (error: { faults?: string[] }) => error.faults ?? [String(error)],
      );
      if (sibling.train) {
        expect(await faultsOf(train)).toEqual([expect.stringMatching(sibling.train)]);
        return expect(check).toContainEqual(expect.stringMatching(sibling.train));
      }
      expect(check).toEqual([]);
      const { result } = await train();
      const { tensors } = await readSafetensors(result.weights?.file ?? '');
      lines.forEach(([slope, intercept], band) => {
        expect(tensors.get('mapping.slope')?.data[band]).toBeCloseTo(slope, 5);
        expect(tensors.get('mapping.intercept')?.data[band]).toBeCloseTo(intercept, 1);
      });
    },
  );

  test('signed addresses: an escaped slash, another file’s ending in the query, a fragment', async () => {
    const at = join(folder, 'signed');
    mkdirSync(at);
    const code = `
${prelude}
os.chdir(sys.argv[1])
for b, name in enumerate(('B02', 'B03', 'B04', 'B08')):
    by_rasterio(a[b:b+1], path=name + '.tif', driver='COG', compress='DEFLATE')
    by_glymur(a[b:b+1], name + '.jp2')`;
    execFileSync(python ?? '', ['-c', code, at], { stdio: ['ignore', 'ignore', 'inherit'] });
    await withRangesOf(at, async (host) => {
      for (const ending of [
        'tif?sig=a%2Fb%3D',
        'tif?of=/x/y.jp2&sig=a/b',
        'jp2?of=c.tif',
        'jp2?a=1#B05.tif',
      ]) {
        const inputs = ['B02', 'B03', 'B04', 'B08'].map((band) => `${host}/${band}.${ending}`);
        const out = join(at, 'out/a.tif');
        await applyScene({ inputs, out, boaOffset: 0 }, { aligner: await loadAligner(weights), weights });
        const bands = await withRaster(out, async (raster) => raster.read());
        for (const [b, band] of bands.entries())
          for (const [i, value] of band.entries())
            expect(Math.abs(value - lines[b][0] * truth(b, i) - lines[b][1]), ending).toBeLessThan(0.01);
      }
    });
  });

  test.each([
    ['UTF-16, big-endian', `'\\ufeffa.tif\\r\\n'.encode('utf-16-be')`, ['a.tif']],
    ['UTF-8 with a byte order mark', `'a.tif\\r\\n\\r\\n'.encode('utf-8-sig')`, ['a.tif']],
    ['UTF-16 without a mark', `'a.tif\\r\\n'.encode('utf-16-le')`, /not text, save it as UTF-8/],
    ['Latin-1', `'\\xe9t\\xe9.tif\\n'.encode('latin-1')`, /not text, save it as UTF-8/],
  ])('list-utf16: %s', async (_, bytes, wanted) => {
    const path = join(folder, 'list.txt');
    execFileSync(python ?? '', ['-c', `import sys; open(sys.argv[1], 'wb').write(${bytes})`, path]);
    const read = () => readSceneList(path, folder, {});
    if (wanted instanceof RegExp) expect(await faultsOf(read)).toEqual([expect.stringMatching(wanted)]);
    else
      expect((await read()).map(({ inputs }) => inputs)).toEqual([wanted.map((name) => join(folder, name))]);
  });
});
