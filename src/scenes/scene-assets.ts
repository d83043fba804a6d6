import { stat } from 'node:fs/promises';
import type { AlignedFiles } from './align-scene.js';
import type { Scene } from './open-scene.js';
import type { OutputType } from './output-values.js';
import type { SceneOutputs } from './scene-outputs.js';
import type { StacAsset } from './stac-item.js';
import { noEstimate } from './uncertainty.js';

const cog = 'image/tiff; application=geotiff; profile=cloud-optimized';

/** The files of a finished scene as the STAC Item lists them. */
export const sceneAssets = async (
  outputs: SceneOutputs,
  scene: Scene,
  type: OutputType,
  alignment: AlignedFiles,
  hasQuicklook: boolean,
): Promise<Record<string, StacAsset>> => {
  const scaled = { scale: 1e-4, offset: 0 };
  const text = async (path: string, media: string, title: string, role = 'metadata'): Promise<StacAsset> => ({
    path,
    type: media,
    title,
    roles: [role],
    size: (await stat(path)).size,
  });
  const assets: Record<string, StacAsset> = {
    aligned: {
      path: outputs.cog,
      type: cog,
      title: 'aligned surface reflectance',
      roles: ['data', 'reflectance'],
      size: alignment.cog,
      bands: scene.bands.map(({ name }) => ({ name, dataType: type, nodata: scene.nodata, ...scaled })),
    },
  };
  if (alignment.mask !== null)
    assets['mask'] = {
      path: outputs.mask,
      type: cog,
      title: 'pixels that the histogram is of',
      roles: ['metadata', 'data-mask'],
      size: alignment.mask,
      bands: [{ name: 'valid', dataType: 'uint8', nodata: null }],
    };
  if (alignment.uncertainty !== null)
    assets['uncertainty'] = {
      path: outputs.uncertainty,
      type: cog,
      title: 'expected error by the validation set',
      roles: ['metadata', 'uncertainty'],
      size: alignment.uncertainty,
      bands: scene.bands.map(({ name }) => ({ name, dataType: 'uint16', nodata: noEstimate, ...scaled })),
    };
  assets['luts'] = await text(outputs.luts, 'text/csv', 'applied lookup tables');
  assets['quality'] = await text(outputs.qualityJson, 'application/json', 'quality report');
  assets['quality-page'] = await text(outputs.qualityHtml, 'text/html', 'quality report, as a page');
  if (hasQuicklook)
    assets['thumbnail'] = await text(outputs.quicklook, 'image/png', 'true colour', 'thumbnail');
  return assets;
};
