import { basename, dirname, extname, join } from 'node:path';
import { Fault } from '../fault.js';

/** The files of one aligned scene, all beside one another. */
export interface SceneOutputs {
  cog: string;
  /** STAC Item; written last, so that it stands for a finished scene. */
  item: string;
  luts: string;
  qualityJson: string;
  qualityHtml: string;
  mask: string;
  uncertainty: string;
  quicklook: string;
}

/** Names of a scene's files from that of its COG (`OUT.tif`). */
export const sceneOutputs = (out: string): SceneOutputs => {
  const extension = extname(out);
  if (!['.tif', '.tiff'].includes(extension.toLowerCase()))
    throw new Fault(`out: ${out}; a name that ends in .tif`);
  const beside = (ending: string): string => join(dirname(out), `${basename(out, extension)}${ending}`);
  return {
    cog: out,
    item: beside('.json'),
    luts: beside('.luts.csv'),
    qualityJson: beside('.quality.json'),
    qualityHtml: beside('.quality.html'),
    mask: beside('.mask.tif'),
    uncertainty: beside('.uncertainty.tif'),
    quicklook: beside('.quicklook.png'),
  };
};
