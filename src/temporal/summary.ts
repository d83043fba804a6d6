import type { Analysis } from './analyse.js';
import { dayText } from './days.js';
import type { GapStatistics } from './gaps.js';

interface GapSummary {
  min: number | null;
  mean: number | null;
  median: number | null;
  max: number | null;
}

/** The document that `bandalign temporal --json` prints. Gaps in days, between clear observations. */
export interface TemporalSummary {
  period: { from: string; to: string };
  tiles: Record<
    string,
    Record<
      string,
      {
        n: number;
        nClear: number;
        gaps: GapSummary;
        gapsWithEdges: GapSummary;
        /** Clear observations of each month. */
        perMonth: Record<string, number>;
      }
    >
  >;
  /** There, and true, only where acquisitions are simulated. */
  simulated?: true;
}

const gapSummary = ({ min, mean, median, max }: GapStatistics): GapSummary => ({ min, mean, median, max });

/** An analysis in short, JSON-safe; null where there are too few observations for a gap. */
export const summarise = ({ period, statistics, simulated }: Analysis): TemporalSummary => ({
  period: { from: dayText(period.from), to: dayText(period.to) },
  tiles: Object.fromEntries(
    [...statistics].map(([tile, bySet]) => [
      tile,
      Object.fromEntries(
        [...bySet].map(([set, { n, nClear, gaps, gapsWithEdges, perMonth }]) => [
          set,
          { n, nClear, gaps: gapSummary(gaps), gapsWithEdges: gapSummary(gapsWithEdges), perMonth },
        ]),
      ),
    ]),
  ),
  ...(simulated ? { simulated: true as const } : {}),
});
