/** One image of one tile by one satellite, as a catalog lists it: before duplicates are merged. */
export interface Acquisition {
  tile: string;
  /** Platform in our spelling (`s2a`, `gf1`, `landsat-8`); which sensor it belongs to: {@link familyOf}. */
  platform: string;
  /** Milliseconds UTC. */
  time: number;
  /** Share of the tile's seen part that is clear, 0 … 1; null where its source cannot say (a product name). */
  clear: number | null;
}

/** Outline of a tile, degrees: longitude and latitude, first point not repeated. */
export type Outline = readonly (readonly [lon: number, lat: number])[];

/** What one or more catalogs hold. */
export interface Catalog {
  acquisitions: Acquisition[];
  /** Outlines of tiles where the catalogs give them. */
  outlines: Map<string, Outline>;
  /** True where any acquisition comes from the simulator: said wherever numbers of it are shown. */
  simulated: boolean;
  /** What a reader should know: columns taken by name, pages that seem to be missing. */
  notes: string[];
  /** What the `SYNTHETIC.json` of synthetic datasets says; of none where it is absent. */
  synthetic?: unknown[];
}

/** One catalog of several: outlines of the first that gives one. */
export const joinCatalogs = (catalogs: readonly Catalog[]): Catalog => {
  const outlines = new Map<string, Outline>();
  for (const catalog of catalogs)
    for (const [tile, outline] of catalog.outlines) if (!outlines.has(tile)) outlines.set(tile, outline);
  return {
    acquisitions:
      catalogs.length === 1 ? catalogs[0].acquisitions : catalogs.flatMap((catalog) => catalog.acquisitions),
    outlines,
    simulated: catalogs.some((catalog) => catalog.simulated),
    notes: catalogs.flatMap((catalog) => catalog.notes),
    synthetic: catalogs.flatMap((catalog) => catalog.synthetic ?? []),
  };
};

/**
 * A tile's name in one spelling: `13TDE` for `T13TDE`, `MGRS-13TDE`, `13tde`; zones in two digits as Copernicus
 * writes them (`01CCV`). Other grids' names come back trimmed, otherwise as they are.
 */
export const tileName = (text: string): string => {
  const mgrs = /^(?:MGRS-)?T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z]{2})$/i.exec(text.trim());
  return mgrs ? `${mgrs[1].padStart(2, '0')}${mgrs[2]}${mgrs[3]}`.toUpperCase() : text.trim();
};
