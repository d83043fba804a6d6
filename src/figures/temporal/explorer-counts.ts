/** Everything that the explorer shows: days counted from 1970-01-01, shares per mille. JSON. */
export interface ExplorerData {
  title: string;
  simulated: boolean;
  /** First and last day that can be chosen. */
  from: number;
  to: number;
  /** Least clear share to begin with, %. */
  threshold: number;
  sensors: readonly { name: string; colour: string }[];
  /** Periods to choose from besides the whole. */
  periods: readonly { name: string; from: number; to: number }[];
  tiles: readonly {
    name: string;
    /** Longitude and latitude of the corners, degrees; null where they are not known. */
    outline: readonly (readonly [lon: number, lat: number])[] | null;
    /** For each sensor the days with an observation: the first, then the steps to the next. */
    days: readonly (readonly number[])[];
    /** The clear share of each, ‰ rounded down; −1 where it is not known. */
    clear: readonly (readonly number[])[];
  }[];
  /** What a reader should know, such as how many tiles had no room. */
  notes: readonly string[];
}

/** What is counted: clear from a share on, in a period, in some months, by some sensors. */
export interface ExplorerChoice {
  /** Least clear share, %. */
  threshold: number;
  /** First and last day, counted from 1970-01-01. */
  from: number;
  to: number;
  /** First and last month of the season, 0 … 11; from November to February is a season too. */
  months: readonly [number, number];
  /** Which sensors, in the order of the data. */
  sensors: readonly boolean[];
}

/** A day with an observation: the clearest share, per mille, and which sensors saw it. */
export interface ExplorerDay {
  day: number;
  /** −1 where no source tells. */
  clear: number;
  by: { sensor: number; clear: number }[];
}

/** A gap between clear observations, from the one day to the other. */
export interface ExplorerGap {
  from: number;
  to: number;
}

export interface ExplorerCounts {
  days: ExplorerDay[];
  clearDays: number[];
  gaps: ExplorerGap[];
  mean: number | null;
  median: number | null;
  /** Longest gap, with the first and last day of every season as boundaries. */
  longest: number;
}

/**
 * Counts for the explorer. It runs in a page too, as its own source text: everything it needs is inside.
 * Gaps do not reach from one season into the next.
 */
export const explorerCounts = (data: ExplorerData) => {
  const msPerDay = 86_400_000;
  const monthOf = (day: number): number => new Date(day * msPerDay).getUTCMonth();
  const inSeason = (day: number, [first, last]: readonly [number, number]): boolean => {
    const month = monthOf(day);
    return first <= last ? month >= first && month <= last : month >= first || month <= last;
  };
  /** Days of each tile and sensor, undone from their differences. */
  const daysOf = data.tiles.map(({ days }) =>
    days.map((steps) => {
      let day = 0;
      return steps.map((step) => {
        day += step;
        return day;
      });
    }),
  );
  /** Stretches of days that are counted: the period, cut into seasons. */
  const runsOf = ({ from, to, months }: ExplorerChoice): [number, number][] => {
    if (months[0] === (months[1] + 1) % 12) return from <= to ? [[from, to]] : [];
    const runs: [number, number][] = [];
    let open = false;
    for (let day = from; day <= to; day++) {
      const counted = inSeason(day, months);
      if (counted && open) runs[runs.length - 1][1] = day;
      else if (counted) runs.push([day, day]);
      open = counted;
    }
    return runs;
  };
  const isClear = (clear: number, threshold: number): boolean => clear < 0 || clear >= threshold * 10;

  const count = (tile: number, choice: ExplorerChoice, runs = runsOf(choice)): ExplorerCounts => {
    const seen = new Map<number, ExplorerDay>();
    daysOf[tile].forEach((days, sensor) => {
      if (!choice.sensors[sensor]) return;
      let run = 0;
      days.forEach((day, index) => {
        while (run < runs.length && day > runs[run][1]) run += 1;
        if (run >= runs.length || day < runs[run][0]) return;
        const clear = data.tiles[tile].clear[sensor][index];
        const found = seen.get(day);
        if (found) {
          found.by.push({ sensor, clear });
          found.clear = Math.max(found.clear, clear);
        } else seen.set(day, { day, clear, by: [{ sensor, clear }] });
      });
    });
    const days = [...seen.values()].sort((a, b) => a.day - b.day);
    const clearDays = days.filter(({ clear }) => isClear(clear, choice.threshold)).map(({ day }) => day);
    const gaps: ExplorerGap[] = [];
    let longest = 0;
    let at = 0;
    for (const [first, last] of runs) {
      let before = first;
      let observed = false;
      for (; at < clearDays.length && clearDays[at] <= last; at++) {
        if (observed) gaps.push({ from: before, to: clearDays[at] });
        longest = Math.max(longest, clearDays[at] - before);
        before = clearDays[at];
        observed = true;
      }
      longest = Math.max(longest, last - before);
    }
    const lengths = gaps.map(({ from, to }) => to - from).sort((a, b) => a - b);
    const middle = (lengths.length - 1) / 2;
    return {
      days,
      clearDays,
      gaps,
      mean: lengths.length > 0 ? lengths.reduce((sum, length) => sum + length, 0) / lengths.length : null,
      median: lengths.length > 0 ? (lengths[Math.floor(middle)] + lengths[Math.ceil(middle)]) / 2 : null,
      longest,
    };
  };
  return { count, runsOf, isClear };
};
