"""Writes random pairs of rasters with GDAL and says what each must be read as.

Usage: write-random-rasters.py FOLDER COUNT SEED

Each pair NNN/s.tif, NNN/t.tif, some with a mask NNN/m.tif, holds 24 x 16 pixels. NNN/truth.npy: [4, 16, 24] float64, the
source's reflectance x 10000, NaN where it is no data to training; a scene holds what only m.tif leaves out (scene.npy).
NNN/planted is the pair again with a fault. pairs.json: a line of choices for each, for messages.
"""
import json, os, shutil, sys
import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(seed)
pick = lambda options: options[rng.integers(len(options))]
W, H = 24, 16
WKT = osr.SpatialReference()
WKT.ImportFromEPSG(32650)
WKT = WKT.ExportToWkt()
TYPES = {
    'uint16': gdal.GDT_UInt16, 'int16': gdal.GDT_Int16, 'int32': gdal.GDT_Int32, 'uint32': gdal.GDT_UInt32,
    'float32': gdal.GDT_Float32, 'float64': gdal.GDT_Float64, 'uint12': gdal.GDT_UInt16, 'uint14': gdal.GDT_UInt16,
}
NAMES = {
    'words': ['Blue', 'green', 'RED', 'nir'],
    'sentinel-2': ['B02', 'B03', 'B04', 'B08'],
    'short': ['B2', 'B3', 'B4', 'B8'],
    'landsat': ['OLI B2', 'OLI B3', 'OLI B4', 'OLI B5'],
    'sentences': ['B2 (blue)', 'B3, green', 'band red', 'near infrared'],
    'force': ['BLUE', 'GREEN', 'RED', 'BROADNIR'],
}
MORE = {'words': 'swir1', 'sentinel-2': 'B8A', 'short': 'B11', 'landsat': 'OLI B8', 'sentences': 'red edge 1', 'force': 'NIR'}
codecs = ['NONE', 'DEFLATE', 'LZW', 'PACKBITS'] + [codec for codec in ('ZSTD', 'LERC') if codec in gdal.GetDriverByName('GTiff').GetMetadataItem('DMD_CREATIONOPTIONLIST')]

def write(path, planes, c):
    """planes: stored values in the file's order; c: choices."""
    options = ['COMPRESS=' + c['codec'], 'INTERLEAVE=' + c['interleave'], 'ENDIANNESS=' + c['endian'], 'PROFILE=' + c['profile']]
    if c['tiled']: options += ['TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16']
    else: options += ['BLOCKYSIZE=5']
    if c['predictor'] > 1: options.append('PREDICTOR=%d' % c['predictor'])
    if c['big']: options.append('BIGTIFF=YES')
    if c['type'] in ('uint12', 'uint14'): options.append('NBITS=' + c['type'][4:])
    if c['colours']: options.append('PHOTOMETRIC=RGB')
    gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES' if c['mask'] == 'internal' else 'NO')
    n = len(planes) + (c['mask'] == 'alpha')
    height, width = planes[0].shape
    ds = gdal.GetDriverByName('GTiff').Create(path, width, height, n, TYPES[c['type']], options)
    ds.SetProjection(WKT)
    ds.SetGeoTransform([c.get('left', 300000), 10, 0, 5700000, 0, -10])
    if c['mask'] == 'alpha': ds.GetRasterBand(n).SetColorInterpretation(gdal.GCI_AlphaBand)
    for i, plane in enumerate(planes):
        band = ds.GetRasterBand(i + 1)
        if c['nodata'] is not None: band.SetNoDataValue(c['nodata'])
        if c['scale'] != 1 or c['offset'] != 0:
            band.SetScale(c['scale'] * c['steps'][i])
            band.SetOffset(c['offset'])
        if c['names']: band.SetDescription(c['names'][i])
    for i, plane in enumerate(planes):
        ds.GetRasterBand(i + 1).WriteArray(plane)
    if c['mask'] == 'alpha': ds.GetRasterBand(n).WriteArray(np.where(c['valid'], 255, 0))
    if c['mask'] in ('internal', 'msk'):
        ds.CreateMaskBand(gdal.GMF_PER_DATASET)
        ds.GetRasterBand(1).GetMaskBand().WriteArray(np.where(c['valid'], 255, 0).astype(np.uint8))
    ds = None

def write_mask(path, valid, nodata):
    height, width = valid.shape
    ds = gdal.GetDriverByName('GTiff').Create(path, width, height, 1, gdal.GDT_Byte)
    ds.SetProjection(WKT)
    ds.SetGeoTransform([300000, 10, 0, 5700000, 0, -10])
    if nodata is not None: ds.GetRasterBand(1).SetNoDataValue(nodata)
    ds.GetRasterBand(1).WriteArray(np.where(valid, 1, nodata or 0).astype(np.uint8))

def plant(at, planes, target, c, plain):
    """Writes the pair again in NNN/planted with one fault, and says which."""
    kinds = ['target size', 'target place', 'cut', 'sidecar cut', 'sidecar root', 'mask size', 'scale of 0', 'colours', 'too large', 'shares']
    if c['type'].startswith('float'): kinds.append('value')
    # a mask inside the file goes before one beside it
    if c['mask'] != 'internal': kinds.append('.msk size')
    kind = pick(kinds)
    there = os.path.join(at, 'planted')
    shutil.copytree(at, there)
    s, t, m = (os.path.join(there, name) for name in ('s.tif', 't.tif', 'm.tif'))
    def again(planes, **change):
        for name in os.listdir(there):
            if name.startswith('s.tif'): os.remove(os.path.join(there, name))
        write(s, planes, dict(c, **change))
    if kind == 'target size': write(t, [plane[:-1] for plane in target], dict(plain, valid=c['valid'][:-1]))
    if kind == 'target place': write(t, target, dict(plain, left=300010))
    if kind == 'cut':
        with open(s, 'r+b') as f: f.truncate(os.path.getsize(s) // 2)
    if kind == 'sidecar cut':
        with open(s + '.aux.xml', 'w') as f: f.write('<PAMDataset>\n  <PAMRasterBand band="1">\n    <NoDat')
    if kind == 'sidecar root':
        with open(s + '.aux.xml', 'w') as f: f.write('<VRTDataset rasterXSize="24" rasterYSize="16"></VRTDataset>')
    if kind == '.msk size': write_mask(s + '.msk', np.ones((H, W // 2), bool), None)
    if kind == 'mask size': write_mask(m, np.ones((H - 1, W), bool), None)
    if kind == 'scale of 0': again(planes, scale=0.0, offset=0)
    if kind == 'too large': again([np.full((H, W), 2000.0)] * len(planes), scale=0.5, offset=0, mask='none', nodata=None)
    if kind == 'shares':
        again([np.where(c['valid'], 0.1 + 0.01 * i, 0) for i in range(len(planes))],
              type='float32', scale=1, offset=0, mask='none', nodata=0.0, codec='NONE', predictor=1)
    if kind == 'colours': again(planes[:4], names=['blue', 'green', 'red', 'nir'], colours=True, mask='none', steps=[1] * 4)
    if kind == 'value':
        write_mask(m, np.ones((H, W), bool), None)
        again([np.where(np.arange(W * H).reshape(H, W) == 9, np.nan, 500 if c['scale'] == 1 else 0.05 / c['scale']) for _ in planes], mask='none', nodata=None, offset=0, steps=[1] * len(planes))
    return kind

pairs = []
# GDAL 3.6 cannot read the big-endian floats that it writes itself with predictor 3
for k in range(count):
    kind = pick(list(TYPES))
    isfloat, signed = kind.startswith('float'), not kind.startswith('u')
    units = [(1, 0), (1, 0), (1e-4, 0), (0.001, 0)]
    if kind not in ('uint12',): units += [(1e-4, -0.1), (1, -1000)]
    if isfloat: units += [(1e-4, 0.0), (0.01, 0)]
    scale, offset = pick(units)
    nodatas = [None, 0.0]
    if signed: nodatas += [-9999.0]
    if isfloat: nodatas += [-9999.9, float('nan'), float('inf'), -3.4028234663852886e38, 1e20]
    if kind == 'uint16': nodatas += [65535.0]
    nodata = pick(nodatas)
    codec = pick([codec for codec in codecs if codec != 'LERC' or kind not in ('uint12', 'uint14', 'uint32')])
    predictors = [1] if codec not in ('DEFLATE', 'LZW', 'ZSTD') or kind in ('uint12', 'uint14') else [1, 3] if isfloat else [1, 2]
    order = list(rng.permutation(4))
    naming = pick([None] + list(NAMES))
    colours = naming is None and bool(rng.integers(3) == 0)
    if naming is None: order = [2, 1, 0, 3] if colours else [0, 1, 2, 3]
    mask = pick(['none', 'none', 'internal', 'msk', 'alpha', 'file'])
    # a scale of its own for each band
    steps = rng.permutation([1, 2, 5, 10]) if scale == 1e-4 and rng.integers(3) == 0 else np.ones(4, int)
    truth = 10.0 * rng.integers(21, 260, size=(4, H, W))
    valid = np.ones((H, W), bool)
    if mask != 'none' or nodata is not None: valid = rng.random((H, W)) > 0.3
    # reflectance = scale * stored + offset, save (1, -1000): digital numbers
    stored = truth - offset if scale == 1 else (truth / 1e4 - offset) / (scale * steps[:, None, None])
    if not isfloat: stored = np.round(stored)
    if mask != 'file' or nodata is not None: stored[:, ~valid] = nodata if nodata is not None else 7
    planes = [stored[b] for b in order]
    steps = [int(steps[b]) for b in order]
    names = [NAMES[naming][b] for b in order] if naming else None
    if naming and rng.integers(2):
        at = int(rng.integers(5))
        planes.insert(at, np.full((H, W), 11.0))
        steps.insert(at, 1)
        names.insert(at, MORE[naming])
    predictor = int(pick(predictors))
    c = dict(type=kind, scale=scale, offset=offset, nodata=nodata, codec=codec, predictor=predictor, names=names, steps=steps,
             colours=colours, mask=mask, interleave=pick(['PIXEL', 'BAND']), endian='LITTLE' if predictor == 3 or (codec == 'LERC' and isfloat) else pick(['LITTLE', 'BIG']), tiled=bool(rng.integers(2)),
             big=bool(rng.integers(2)), profile=pick(['GDALGeoTIFF', 'GDALGeoTIFF', 'BASELINE']), valid=valid)
    at = os.path.join(folder, '%03d' % k)
    os.makedirs(at)
    write(os.path.join(at, 's.tif'), planes, c)
    lines = np.array([[0.9, 50], [0.8, 100], [1.1, -20], [0.7, 300]])
    target = np.floor(truth * lines[:, :1, None] + lines[:, 1:, None] + 0.5)
    plain = dict(c, type='int16', scale=1, offset=0, nodata=None, mask='none', names=None, steps=[1] * 4, colours=False, predictor=1, profile='GDALGeoTIFF')
    write(os.path.join(at, 't.tif'), list(target), plain)
    if mask == 'file': write_mask(os.path.join(at, 'm.tif'), valid, pick([None, 255]))
    read = truth.copy()
    read[:, ~valid] = np.nan
    np.save(os.path.join(at, 'truth.npy'), read)
    np.save(os.path.join(at, 'scene.npy'), truth if mask == 'file' and nodata is None else read)
    c['planted'] = plant(at, planes, list(target), c, plain)
    pairs.append({key: (value if value == value and abs(value) != float('inf') else str(value)) if isinstance(value, float) else value for key, value in c.items() if key != 'valid'})
json.dump(pairs, open(os.path.join(folder, 'pairs.json'), 'w'))
