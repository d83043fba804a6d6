export { defineExperiment, resolveExperiment } from './config/experiment.js';
// temporal frequency
export { markdownTable } from './evaluation/render-table.js';
export { Fault } from './fault.js';
export { seriesBeforeAfter } from './figures/temporal/series-before-after.js';
export { display } from './notebook/display.js';
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
