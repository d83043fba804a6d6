/**
 * The public interface of bandalign, in the order in which data flows. Notebooks and experiment files import it by the
 * package's name; everything else is internal.
 */

// Configuration: what a run is

export { seededRandom } from './config/random.js';
export type { Experiment, ExperimentInput } from './experiments/experiment.js';
export { defineExperiment, resolveExperiment } from './experiments/experiment.js';
export { loadExperiment } from './experiments/load.js';
export { defineSweep, type SweepInput } from './experiments/sweep.js';

// Rasters

export { type Georeference, projectedGeoreference } from './raster/georeference.js';
export type { Raster } from './raster/raster.js';
export { openRaster, withRaster } from './raster/read.js';
export { type GeoTiffImage, writeGeoTiff } from './raster/write-geotiff.js';

// Datasets: lists, patches, histograms, statistics; the simulated ones

export { histogram } from './dataset/histogram.js';
export { openDataset } from './dataset/layout.js';
export { type Patch, type PatchPixels, tileKey } from './dataset/patch.js';
export { drawLandscape } from './dataset/synth/landscape.js';
export { regions as simulatedRegions } from './dataset/synth/regions.js';
export { bandCentres, bandReflectance } from './dataset/synth/spectra/band-reflectance.js';
export type { SensorName } from './dataset/synth/spectra/responses.js';
export { writeSimulatedStrip } from './dataset/synth/strip.js';
export { synthesizeDataset } from './dataset/synth/synth.js';
export { type PreparedData, prepareData } from './training/prepare-data.js';

// Models: a mapping for each tile

export type { ConvModule } from './engine/conv.js';
export type { Aligner } from './experiments/aligner.js';
export { definePenalty } from './losses/index.js';
export type { LutShape, Penalty } from './losses/penalty.js';
export { histogramInput } from './models/histogram-input.js';
export { defineModel } from './models/index.js';
export type { Knots } from './models/mapping.js';
export { type Affine, alignPixels, type Mapping, type Polynomial } from './models/mapping.js';
export type {
  FitInput,
  ForwardInput,
  Model,
  ModelContext,
  Network,
  Tile,
} from './models/model.js';
export { z } from './models/model.js';
export { bestLuts } from './models/oracle.js';
export { smoothLuts } from './models/smooth-lut.js';
export { fitClosedForm } from './training/fit-closed-form.js';

// Runs: training, and what it left

export { runExperiment } from './run-experiment.js';
export { type FinishedRun, finishedRuns, listRuns, readRun, type StoredRun } from './training/list-runs.js';
export { loadAligner } from './training/load-weights.js';
export { lossCurveOf } from './training/loss-curve.js';
export { testWeights } from './training/test-weights.js';

// Evaluation: scores of tiles, intervals, tables

export {
  bootstrapScore,
  type Interval,
  percentileInterval,
  tileDraws,
} from './evaluation/bootstrap.js';
export type { StatedTile } from './evaluation/calibration-table.js';
export { comparisonTable, gapClosed } from './evaluation/comparison-table.js';
export { csvTable, latexTable, markdownTable } from './evaluation/render-table.js';
export { type RowStatistics, rowStatistics, type SeededModel } from './evaluation/row-statistics.js';
export type { Cell, Column, Row, Table } from './evaluation/table.js';
export { type Metrics, metricsOf, poolTiles, type Score, type TileRecord } from './evaluation/tile-record.js';
export type { ErrorSums } from './metrics/error-sums.js';
export { defineMetric, metrics } from './metrics/index.js';
export type { Metric } from './metrics/metric.js';
export { quantile } from './quantile.js';
export { comparedModels } from './training/compare-runs.js';

// Sweeps: many runs, and their tables

export { readManifest, sweepFolder } from './sweeps/manifest.js';
export { runSweep } from './sweeps/run-sweep.js';
export { seededModels } from './sweeps/seeded-models.js';
export { sweepTables } from './sweeps/sweep-tables.js';

// Tracking: a copy of runs on an MLflow server

export { type Destination, openDestination, trackingDestination } from './tracking/send.js';
export { type Following, follow, type SyncResult, syncFolders } from './tracking/sync.js';

// Whole scenes

export { applyScene } from './scenes/apply-scene.js';

// Temporal frequency

export { analyse } from './temporal/analyse.js';
export { analysisFigures } from './temporal/analysis-figures.js';
export { gainTableOf, monthTableOf, shortTileTableOf, tileTableOf } from './temporal/analysis-tables.js';
export { parseColumns } from './temporal/columns.js';
export { ndviSeries, seriesConsistency } from './temporal/consistency.js';
export { dayText } from './temporal/days.js';
export { exploreTemporal, periodOf } from './temporal/explore.js';
export { openMasks } from './temporal/mask-stack.js';
export { readCatalogs } from './temporal/read-catalogs.js';
export { writeReport } from './temporal/report.js';
export { mgrsPlaces, simulateCatalog } from './temporal/simulate.js';
export { writeStackStatistics } from './temporal/stack-rasters.js';
export { summarise } from './temporal/summary.js';

// Figures: pure functions from data to plotly JSON

export { beforeAfter } from './figures/before-after.js';
export { densityScatter } from './figures/density-scatter.js';
export { distanceEcdf } from './figures/distance-ecdf.js';
export {
  countErrors,
  type ErrorBins,
  emptyErrorBins,
  errorByReflectance,
} from './figures/error-by-reflectance.js';
export { expectedErrorPlot } from './figures/expected-error.js';
export type { Figure, Layout, Trace } from './figures/figure.js';
export { histogramPanel } from './figures/histogram-panel.js';
export { type Estimate, intervalPlot } from './figures/interval-plot.js';
export { countPair, countPixels, emptyJointCounts, type JointCounts } from './figures/joint-counts.js';
export { lossCurves } from './figures/loss-curves.js';
export { lutsWithHistograms } from './figures/lut-histogram.js';
export { monthByRegion } from './figures/month-by-region.js';
export { patchRgb } from './figures/patch-rgb.js';
export { type PlacedTile, regionMaps } from './figures/region-maps.js';
export { residualMap, residualsOf } from './figures/residual-map.js';
export { seedSpread } from './figures/seed-spread.js';
export { renderFigure } from './figures/static/render-figure.js';
export { seriesBeforeAfter } from './figures/temporal/series-before-after.js';
export { seriesDifference } from './figures/temporal/series-difference.js';
export { type MapMeasure, type MapTile, tileMap } from './figures/temporal/tile-map.js';
export { bandColours, bandLabel, inReflectance, okabeIto, palette, themed } from './figures/theme.js';
export { type GalleryTile, tileGallery } from './figures/tile-gallery.js';
export { tileLuts } from './figures/tile-luts.js';
export { type StatedErrors, uncertaintyCalibration } from './figures/uncertainty-calibration.js';

// Reports: finished runs and tiles as tables and figures

export { compareRuns, type RunComparison } from './reports/compare-runs.js';
export { lineTable } from './reports/line-table.js';
export {
  distanceToBound,
  errorMaps,
  lutFigure,
  lutOf,
  lutShapes,
  manyLuts,
  seasonLuts,
  sourceQuantile,
} from './reports/lut-report.js';
export { pixelScatter } from './reports/pixel-scatter.js';
export { type SeriesReport, seriesReport } from './reports/series-report.js';
export { type SweepReport, sweepReport } from './reports/sweep-report.js';
export { patchesOf, type TileReport, tileReport, typicalTile } from './reports/tile-report.js';

// Notebooks: showing things, running and exporting

export { cellSignal, display, markdown } from './notebook/display.js';
export { exportNotebook } from './notebook/export/export-notebook.js';
export { progressBar } from './notebook/progress-bar.js';
export { type RunCard, runCard } from './notebook/run-card.js';
export { runNotebook } from './notebook/run-notebook.js';

// Faults and progress

export { Fault } from './fault.js';
export { ignoreProgress, type OnProgress, type Progress } from './progress.js';
