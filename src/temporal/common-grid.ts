import type { Acquisition, Catalog, Outline } from './acquisition.js';
import { squareOutline, wfvSceneKm } from './footprint.js';
import { isMgrsTile, mgrsOutline, mgrsTilesUnder } from './mgrs-tile.js';
import { counts, sensorLabel } from './sensors.js';

/** A scene's middle as its product name writes it, `E114.9_N39.7`: a place, not a tile. */
const placeForm = /^([EW])(\d+(?:\.\d+)?)_([NS])(\d+(?:\.\d+)?)$/;

const placeOf = (tile: string): readonly [lon: number, lat: number] | null => {
  const match = placeForm.exec(tile);
  if (match === null) return null;
  const [lon, lat] = [Number(match[2]), Number(match[4])];
  return lat > 90 || lon > 180 ? null : [match[1] === 'W' ? -lon : lon, match[3] === 'S' ? -lat : lat];
};

/** A scene's middle, degrees, in the same form: to a tenth of a degree. */
export const placeName = ([lon, lat]: readonly [lon: number, lat: number]): string => {
  const east = lon - 360 * Math.round(lon / 360);
  return `${east < 0 ? 'W' : 'E'}${Math.abs(east).toFixed(1)}_${lat < 0 ? 'S' : 'N'}${Math.abs(lat).toFixed(1)}`;
};

/** Every acquisition of a tile that `tilesOf` maps, once for each tile there; others as they are. */
const moved = (
  acquisitions: readonly Acquisition[],
  tilesOf: (image: Acquisition) => readonly string[] | null,
): Acquisition[] =>
  acquisitions.flatMap((image) => tilesOf(image)?.map((tile) => ({ ...image, tile })) ?? [image]);

/**
 * Scenes that have no tile (GF-1 level 1A) are counted for the MGRS tiles that they cover, by their footprint or as a square
 * around their middle: a middle lies a few kilometres elsewhere at each pass and is no tile.
 */
export const gridPlaces = (catalog: Catalog): Catalog => {
  const tiles = new Map<string, string[]>();
  let [middles, footprints] = [0, 0];
  for (const { tile } of catalog.acquisitions) {
    const place = placeOf(tile);
    if (place === null) continue;
    const outline = catalog.outlines.get(tile);
    if (outline) footprints += 1;
    else middles += 1;
    if (!tiles.has(tile)) tiles.set(tile, mgrsTilesUnder(outline ?? squareOutline(place, wfvSceneKm)));
  }
  if (tiles.size === 0) return catalog;
  const notes = [...catalog.notes];
  if (middles > 0)
    notes.push(
      `${middles} scenes named by their middle are counted on the MGRS grid: for each tile whose middle lies within ${wfvSceneKm / 2} km of the scene's`,
    );
  if (footprints > 0)
    notes.push(
      `${footprints} scenes without a tile are counted on the MGRS grid: for each tile whose middle their footprint covers`,
    );
  return {
    ...catalog,
    acquisitions: moved(catalog.acquisitions, ({ tile }) => tiles.get(tile) ?? null),
    outlines: new Map([...catalog.outlines].filter(([tile]) => !tiles.has(tile))),
    notes,
  };
};

/** Tiles that hold acquisitions of every sensor. */
export const commonTiles = (
  acquisitions: readonly Acquisition[],
  sensors: readonly string[],
): Set<string> => {
  const seen = new Map<string, Set<string>>();
  for (const { tile, platform } of acquisitions) {
    const platforms = seen.get(tile);
    if (platforms) platforms.add(platform);
    else seen.set(tile, new Set([platform]));
  }
  return new Set(
    [...seen]
      .filter(([, platforms]) =>
        sensors.every((sensor) => [...platforms].some((platform) => counts(sensor, platform))),
      )
      .map(([tile]) => tile),
  );
};

/**
 * Sensors that are listed on grids of their own (Sentinel-2 by MGRS tile, Landsat and GF-1 by path and row) share no tile.
 * Their scenes are then counted for the MGRS tiles whose middle their footprint covers: where some sensor is listed by
 * MGRS tile, for those tiles. Nothing changes where all sensors share a tile, or where no footprint is known.
 */
export const onCommonGrid = (catalog: Catalog, sensors: readonly string[]): Catalog => {
  const { acquisitions, outlines } = catalog;
  if (sensors.length < 2 || commonTiles(acquisitions, sensors).size > 0) return catalog;
  const listed = new Set(acquisitions.map(({ tile }) => tile).filter(isMgrsTile));
  const under = new Map<string, string[]>();
  for (const tile of new Set(acquisitions.map((image) => image.tile))) {
    const outline = outlines.get(tile);
    if (isMgrsTile(tile) || outline === undefined) continue;
    under.set(
      tile,
      mgrsTilesUnder(outline).filter((one) => listed.size === 0 || listed.has(one)),
    );
  }
  const counted = new Map<string, number>();
  for (const { tile, platform } of acquisitions) {
    if (!under.has(tile)) continue;
    const sensor = sensors.find((one) => counts(one, platform));
    if (sensor !== undefined) counted.set(sensor, (counted.get(sensor) ?? 0) + 1);
  }
  const [first] = under.keys();
  if (first === undefined || ![...under.values()].some(({ length }) => length > 0)) return catalog;
  const scenes = [...counted].map(([sensor, count]) => `${count} of ${sensorLabel(sensor)}`).join(', ');
  return {
    ...catalog,
    acquisitions: moved(acquisitions, ({ tile }) => under.get(tile) ?? null),
    outlines: new Map(
      [...outlines].flatMap(([tile, outline]): [string, Outline][] =>
        under.has(tile)
          ? under.get(tile)!.map((one) => [one, mgrsOutline(one) ?? outline])
          : [[tile, outline]],
      ),
    ),
    notes: [
      ...catalog.notes,
      `the sensors share no tile: scenes by path and row (${scenes}) are counted for each MGRS tile whose middle their footprint covers`,
    ],
  };
};
