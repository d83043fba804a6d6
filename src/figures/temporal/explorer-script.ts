import type { ExplorerChoice, ExplorerCounts, ExplorerData, explorerCounts } from './explorer-counts.js';

/** What the script uses of a page: the project is compiled without the DOM's types, which would let Node code name it. */
interface PageElement {
  innerHTML: string;
  textContent: string;
  value: string;
  checked: boolean;
  tabIndex: number;
  scrollTop: number;
  readonly clientWidth: number;
  readonly clientHeight: number;
  readonly dataset: Record<string, string | undefined>;
  querySelector: (selector: string) => PageElement | null;
  querySelectorAll: (selector: string) => Iterable<PageElement>;
  setAttribute: (name: string, value: string) => void;
  addEventListener: (type: string, listener: (event: PageEvent) => void) => void;
  closest: (selector: string) => PageElement | null;
}
interface PageEvent {
  key: string;
  target: PageElement;
  preventDefault: () => void;
}
interface Page {
  ResizeObserver: new (changed: () => void) => { observe: (element: PageElement) => void };
}

/**
 * Draws the explorer into `root` and answers its controls. It runs in a page, as its own source text: everything it
 * needs is inside. `id` begins the ids of its elements.
 */
export const explorerScript = (
  root: PageElement,
  data: ExplorerData,
  { count, runsOf, isClear }: ReturnType<typeof explorerCounts>,
  id: string,
): void => {
  const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
  const colours = ['#443983', '#31688E', '#21918C', '#35B779', '#BDDF26'];
  const msPerDay = 86_400_000;
  const dateOf = (day: number): string => new Date(day * msPerDay).toISOString().slice(0, 10);
  const dayOf = (date: string): number => Math.round(Date.parse(`${date}T00:00:00Z`) / msPerDay);
  const asText = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  const number = (value: number | null, digits = 1): string =>
    value === null ? '–' : Number.isInteger(value) ? String(value) : value.toFixed(digits);
  const find = (selector: string): PageElement => root.querySelector(selector)!;

  const whole = { name: 'Whole period', from: data.from, to: data.to };
  const periods = [whole, ...data.periods];
  const measures: { name: string; unit: string; of: (counts: ExplorerCounts) => number | null }[] = [
    { name: 'Clear observations', unit: 'days', of: ({ clearDays }) => clearDays.length },
    { name: 'Mean gap', unit: 'days', of: ({ mean }) => mean },
    { name: 'Longest gap', unit: 'days', of: ({ longest }) => longest },
  ];
  const start: ExplorerChoice = {
    threshold: data.threshold,
    from: data.from,
    to: data.to,
    months: [0, 11],
    sensors: data.sensors.map(() => true),
  };
  let choice = start;
  let [tile, measure, everyTile] = [0, 0, false];
  /** Length of the gaps that calendar and histogram point out, days; 0 for none. */
  let pointed = 0;
  let cursor: number | null = null;
  let counts: ExplorerCounts[] = [];

  const option = (value: number, name: string): string => `<option value="${value}">${asText(name)}</option>`;
  const field = (name: string, label: string, inner: string, output = ''): string =>
    `<div class="field"><label class="label" for="${id}-${name}"><span>${label}</span>${output}</label>${inner}</div>`;
  const monthSelect = (name: string, label: string, chosen: number): string =>
    `<select id="${id}-${name}" data-control="${name}" aria-label="${label}">${months
      .map(
        (month, index) => `<option value="${index}"${index === chosen ? ' selected' : ''}>${month}</option>`,
      )
      .join('')}</select>`;
  const dateInput = (name: string, label: string): string =>
    `<input type="date" id="${id}-${name}" data-control="${name}" aria-label="${label}" min="${dateOf(data.from)}" max="${dateOf(data.to)}">`;
  find('.view').innerHTML = `
<div class="head"><strong>${asText(data.title)}</strong>${data.simulated ? '<span class="badge">simulated acquisitions</span>' : ''}<button type="button" data-control="reset">Reset</button></div>
<div class="controls">
${field('tile', 'Tile', `<div class="row"><select id="${id}-tile" data-control="tile">${data.tiles.map(({ name }, index) => option(index, name)).join('')}</select></div>`)}
${field('threshold', 'Clear from', `<input type="range" id="${id}-threshold" data-control="threshold" min="0" max="100" step="1">`, '<output></output>')}
<fieldset class="field"><legend class="label">Sensors</legend><div class="row">${data.sensors
    .map(
      ({ name, colour }, index) =>
        `<label class="sensor"><input type="checkbox" data-control="sensor" data-sensor="${index}" checked><span class="chip" style="background:${colour}"></span>${asText(name)}</label>`,
    )
    .join('')}</div></fieldset>
<div class="field" role="group" aria-label="Season"><span class="label">Season</span><div class="row">${monthSelect('first', 'First month', 0)}<span>to</span>${monthSelect('last', 'Last month', 11)}</div></div>
${periods.length > 1 ? field('period', 'Period', `<div class="row"><select id="${id}-period" data-control="period">${periods.map(({ name }, index) => option(index, name)).join('')}<option value="-1" hidden>Own dates</option></select></div>`) : ''}
<div class="field" role="group" aria-label="Dates"><span class="label">Dates</span><div class="row">${dateInput('from', 'First day')}<span>to</span>${dateInput('to', 'Last day')}</div></div>
</div>
<div class="panels">
<section class="panel where"><header><h3>Where</h3><select data-control="measure" aria-label="Colour of the map">${measures.map(({ name }, index) => option(index, name)).join('')}</select></header><div class="plot map" tabindex="0" role="application" aria-label="Map of the tiles: arrow keys choose a tile"></div><div class="legend"></div></section>
<section class="panel when"><header><h3>When</h3></header><div class="scroll"><div class="plot calendar" tabindex="0" role="application" aria-label="Calendar: arrow keys choose a day"></div></div><div class="legend"></div><p class="said" role="status"></p></section>
<section class="panel gaps"><header><h3>Gaps between clear observations</h3><button type="button" data-control="scope" aria-pressed="false">All tiles</button></header><div class="plot histogram" tabindex="0" role="application" aria-label="Histogram of gaps: arrow keys choose a length"></div><p class="said" role="status"></p></section>
<section class="panel numbers"><header><h3>In numbers</h3></header><div class="wide"><table></table></div><p class="said">Days with an observation, clear ones, and gaps between these, in days. The longest counts from the first day of period and season and to the last.</p></section>
</div>
${data.notes.map((note) => `<p class="notes">${asText(note)}</p>`).join('')}`;
  const panels = [...root.querySelectorAll('.panel')];
  const widthOf = (panel: number): number => Math.max(220, panels[panel].clientWidth - 30);
  const svg = (width: number, height: number, inner: string): string =>
    `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-hidden="true">${inner}</svg>`;

  const middles = data.tiles.map(({ outline }) =>
    outline === null
      ? null
      : [0, 1].map((axis) => outline.reduce((sum, point) => sum + point[axis], 0) / outline.length),
  );

  const drawMap = (): void => {
    const values = counts.map(measures[measure].of);
    const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
    const limits = [
      ...new Set(colours.map((_, index) => sorted[Math.floor((index * sorted.length) / colours.length)])),
    ].filter((value) => value !== undefined);
    const classOf = (value: number | null): number =>
      value === null ? -1 : limits.reduce((last, limit, index) => (value >= limit ? index : last), 0);
    const colourOf = (one: number): string =>
      one < 0
        ? '#9aa1aa'
        : colours[limits.length < 2 ? 2 : Math.round((one * (colours.length - 1)) / (limits.length - 1))];
    const width = widthOf(0);
    const points = data.tiles.flatMap(({ outline }) => outline ?? []);
    if (points.length === 0)
      panels[0].querySelector('.map')!.innerHTML =
        '<p class="said">The catalogs do not tell where the tiles lie; choose one above.</p>';
    else {
      const [lons, lats] = [points.map(([lon]) => lon), points.map(([, lat]) => lat)];
      const [west, east] = [Math.min(...lons), Math.max(...lons)];
      const [south, north] = [Math.min(...lats), Math.max(...lats)];
      const across = Math.max(0.2, Math.cos(((south + north) / 2 / 180) * Math.PI));
      const [wide, high] = [Math.max(0.1, (east - west) * across), Math.max(0.1, north - south)];
      const [left, foot] = [40, 20];
      const scale = Math.min((width - left - 8) / wide, 330 / high);
      const height = high * scale + foot + 8;
      const shift = left + (width - left - 8 - wide * scale) / 2;
      const x = (lon: number): number => shift + (lon - west) * across * scale;
      const y = (lat: number): number => 4 + (north - lat) * scale;
      const ticks = (low: number, top: number, room: number): number[] => {
        const step = [0.5, 1, 2, 5, 10, 20, 30, 60].find((one) => (top - low) / one <= room) ?? 90;
        const first = Math.ceil(low / step) * step;
        return Array.from(
          { length: Math.floor((top - first) / step) + 1 },
          (_, index) => first + index * step,
        );
      };
      const degrees = (value: number, names: string): string =>
        `${Math.abs(value)}° ${value === 0 ? '' : names[value > 0 ? 0 : 1]}`;
      const axes = [
        ...ticks(west, east, Math.max(1, (wide * scale) / 70)).map(
          (lon) =>
            `<line class="grid" x1="${x(lon)}" x2="${x(lon)}" y1="4" y2="${height - foot}"/><text x="${x(lon)}" y="${height - 5}" text-anchor="middle">${degrees(lon, 'EW')}</text>`,
        ),
        ...ticks(south, north, Math.max(1, (high * scale) / 40)).map(
          (lat) =>
            `<line class="grid" x1="${shift}" x2="${shift + wide * scale}" y1="${y(lat)}" y2="${y(lat)}"/><text x="${shift - 6}" y="${y(lat) + 4}" text-anchor="end">${degrees(lat, 'NS')}</text>`,
        ),
      ];
      // tiles that are tiny on a wide map stay visible and can be hit
      const shape = (index: number): string => {
        const ring = data.tiles[index].outline!.map(([lon, lat]) => [x(lon), y(lat)]);
        const [cx, cy] = [x(middles[index]![0]), y(middles[index]![1])];
        const size = Math.max(...ring.map(([px, py]) => Math.max(Math.abs(px - cx), Math.abs(py - cy))));
        return size < 7
          ? `M${cx - 7} ${cy - 7}h14v14h-14z`
          : `M${ring.map((point) => point.map((at) => at.toFixed(1)).join(' ')).join('L')}Z`;
      };
      const drawn = data.tiles.map((_, index) => index).filter((index) => middles[index] !== null);
      const tiles = [
        ...drawn.filter((index) => index !== tile),
        ...drawn.filter((index) => index === tile),
      ].map(
        (index) =>
          `<path class="tile${index === tile ? ' chosen' : ''}" data-tile="${index}" d="${shape(index)}" fill="${colourOf(classOf(values[index]))}"><title>${asText(data.tiles[index].name)}: ${number(values[index])} ${measures[measure].unit}</title></path>`,
      );
      const names = drawn.map((index) => {
        const at = middles[index]!;
        const ring = data.tiles[index].outline!.map(([lon]) => x(lon));
        const roomy = Math.max(...ring) - Math.min(...ring) > 48;
        if (!roomy && index !== tile) return '';
        const pale = ['#35B779', '#BDDF26'].includes(colourOf(classOf(values[index])));
        const ink = !roomy ? '' : ` style="fill:${pale ? '#1c2024' : '#fff'}"`;
        const lift = roomy ? 4 : -12;
        return `<text class="name" x="${x(at[0]).toFixed(1)}" y="${(y(at[1]) + lift).toFixed(1)}" text-anchor="middle"${ink}>${asText(data.tiles[index].name)}</text>`;
      });
      find('.map').innerHTML = svg(width, height, axes.join('') + tiles.join('') + names.join(''));
    }
    const classes = limits.map((_, index) => {
      const inside = sorted.filter((value) => classOf(value) === index);
      const [low, top] = [number(inside[0]), number(inside[inside.length - 1])];
      return `<span><i style="background:${colourOf(index)}"></i>${low === top ? low : `${low}–${top}`}</span>`;
    });
    panels[0].querySelector('.legend')!.innerHTML =
      `${classes.join('')}<span>${measures[measure].unit}</span>`;
  };

  /** Marks of a day: a stripe for each sensor, full where clear, pale where cloudy. */
  const marks = (
    { by }: ExplorerCounts['days'][number],
    x: number,
    y: number,
    size: number,
    high: number,
  ): string =>
    by
      .map(({ sensor, clear }, index) => {
        const wide = size / by.length;
        return `<rect class="mark" x="${(x + index * wide).toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${high}" fill="${data.sensors[sensor].colour}" opacity="${isClear(clear, choice.threshold) ? 1 : 0.28}"/>`;
      })
      .join('');

  const drawCalendar = (): void => {
    const width = widthOf(1) - 8;
    const label = 58;
    const cell = Math.max(7, Math.min(20, Math.floor((width - label) / 31)));
    const size = cell - 2;
    // on a phone days are narrow, and still as high as a finger can hit
    const high = Math.max(cell, 17);
    const { days, gaps } = counts[tile];
    const seen = new Map(days.map((one) => [one.day, one]));
    const bands = new Set<number>();
    const ends = new Set<number>();
    for (const { from, to } of gaps)
      if (to - from === pointed) {
        ends.add(from).add(to);
        for (let day = from + 1; day < to; day++) bands.add(day);
      }
    const rows: string[] = [];
    const first = new Date(choice.from * msPerDay);
    let row = 0;
    const inside = runsOf(choice);
    let run = 0;
    for (let month = 0; ; month++) {
      const begin = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month, 1) / msPerDay;
      const end = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + month + 1, 1) / msPerDay;
      if (begin > choice.to) break;
      while (run < inside.length && inside[run][1] < begin) run += 1;
      if (run >= inside.length || inside[run][0] >= end) continue;
      const y = 16 + row * high;
      const name = `${months[new Date(begin * msPerDay).getUTCMonth()]} ${dateOf(begin).slice(0, 4)}`;
      rows.push(`<text x="0" y="${y + high / 2 + 3}">${name}</text>`);
      for (let day = Math.max(begin, inside[run][0]); day < end && day <= inside[run][1]; day++) {
        const x = label + (day - begin) * cell;
        const one = seen.get(day);
        rows.push(
          `<rect class="${bands.has(day) ? 'band' : 'day'}" x="${x}" y="${y}" width="${size}" height="${high - 2}"/>`,
          one ? marks(one, x, y, size, high - 2) : '',
          ends.has(day) ? `<rect class="end" x="${x}" y="${y}" width="${size}" height="${high - 2}"/>` : '',
          day === cursor
            ? `<rect class="cursor" x="${x - 1}" y="${y - 1}" width="${size + 2}" height="${high}"/>`
            : '',
          `<rect class="hit" data-day="${day}" x="${x}" y="${y}" width="${size}" height="${high - 2}"><title>${one ? sayDay(day) : dateOf(day)}</title></rect>`,
        );
      }
      row += 1;
    }
    const heads = [1, 5, 10, 15, 20, 25, 30].map(
      (day) => `<text x="${label + (day - 1) * cell + size / 2}" y="10" text-anchor="middle">${day}</text>`,
    );
    find('.calendar').innerHTML =
      row === 0
        ? '<p class="said">No day of the period lies in this season.</p>'
        : svg(width, 18 + row * high, heads.join('') + rows.join(''));
    panels[1].querySelector('h3')!.textContent = `When: ${data.tiles[tile].name}`;
    panels[1].querySelector('.legend')!.innerHTML = data.sensors
      .filter((_, index) => choice.sensors[index])
      .map(
        ({ name, colour }) =>
          `<span><i class="mark" style="background:${colour}"></i>${asText(name)}, clear</span><span><i class="mark" style="background:${colour};opacity:.28"></i>cloudy</span>`,
      )
      .join('');
    panels[1].querySelector('.said')!.textContent =
      cursor === null ? 'Choose a day for what was seen of it.' : sayDay(cursor);
  };

  const sayDay = (day: number): string => {
    const one = counts[tile].days.find((seen) => seen.day === day);
    if (!one) return `${dateOf(day)}: no observation`;
    const parts = one.by.map(
      ({ sensor, clear }) =>
        `${data.sensors[sensor].name} ${clear < 0 ? 'clear share not known' : `${number(Math.floor(clear) / 10, 1)} % clear`}`,
    );
    return `${dateOf(day)}: ${parts.join(', ')}`;
  };

  const lengths = (): number[] =>
    (everyTile ? counts : [counts[tile]]).flatMap(({ gaps }) => gaps.map(({ from, to }) => to - from));

  const drawHistogram = (): void => {
    const all = lengths();
    const [width, height, left, foot] = [widthOf(2), 220, 40, 36];
    const said = panels[2].querySelector('.said')!;
    if (all.length === 0) {
      find('.histogram').innerHTML =
        '<p class="said">Fewer than two clear observations: no gap to count.</p>';
      said.textContent = '';
      return;
    }
    const longest = all.reduce((most, length) => Math.max(most, length), 1);
    const bars = new Map<number, number>();
    for (const length of all) bars.set(length, (bars.get(length) ?? 0) + 1);
    const most = Math.max(...bars.values());
    const wide = (width - left - 8) / longest;
    const y = (value: number): number => 8 + (height - foot - 8) * (1 - value / most);
    const step = (top: number, room: number): number =>
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000].find((one) => top / one <= room) ??
      100_000;
    const up = step(most, 5);
    const along = step(longest, Math.max(3, width / 55));
    const lines = Array.from(
      { length: Math.floor(most / up) + 1 },
      (_, index) =>
        `<line class="grid" x1="${left}" x2="${width - 8}" y1="${y(index * up)}" y2="${y(index * up)}"/><text x="${left - 6}" y="${y(index * up) + 4}" text-anchor="end">${index * up}</text>`,
    );
    const names = Array.from({ length: Math.floor(longest / along) }, (_, index) => {
      const length = (index + 1) * along;
      return `<text x="${left + (length - 0.5) * wide}" y="${height - foot + 15}" text-anchor="middle">${length}</text>`;
    });
    const drawn = [...bars].map(([length, found]) => {
      const x = left + (length - 1) * wide;
      const inner = Math.max(1, wide - Math.min(3, wide * 0.2));
      return `<rect class="bar${length === pointed ? ' chosen' : ''}" data-gap="${length}" x="${x.toFixed(1)}" y="${y(found).toFixed(1)}" width="${inner.toFixed(1)}" height="${(height - foot - y(found)).toFixed(1)}"><title>${length} days: ${found}</title></rect>`;
    });
    const mean = all.reduce((sum, length) => sum + length, 0) / all.length;
    const at = left + (mean - 0.5) * wide;
    const middle = `<line class="mean" x1="${at}" x2="${at}" y1="8" y2="${height - foot}"/><text x="${at + 5}" y="16">mean ${number(mean)}</text>`;
    find('.histogram').innerHTML = svg(
      width,
      height,
      `${lines.join('')}${drawn.join('')}${middle}${names.join('')}<text x="${left + (width - left - 8) / 2}" y="${height - 4}" text-anchor="middle">gap [days]</text>`,
    );
    const where = everyTile ? 'all tiles' : data.tiles[tile].name;
    said.textContent =
      pointed > 0
        ? `${bars.get(pointed) ?? 0} of ${all.length} gaps in ${where} last ${pointed} ${pointed === 1 ? 'day' : 'days'}; the calendar shows them.`
        : `${all.length} gaps in ${where}, ${number(mean)} days in the mean (dashed). Choose a bar to see them in the calendar.`;
  };

  const drawNumbers = (): void => {
    const chosen = data.sensors.map((_, index) => index).filter((index) => choice.sensors[index]);
    const row = (name: string, found: ExplorerCounts): string =>
      `<tr><th scope="row">${asText(name)}</th>${[
        found.days.length,
        found.clearDays.length,
        found.mean,
        found.median,
        found.longest,
      ]
        .map((value) => `<td>${number(value)}</td>`)
        .join('')}</tr>`;
    const alone = chosen.map((index) =>
      row(
        data.sensors[index].name,
        count(tile, { ...choice, sensors: data.sensors.map((_, one) => one === index) }),
      ),
    );
    find('table').innerHTML =
      `<thead><tr>${['', 'seen', 'clear', 'mean', 'median', 'longest'].map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead>` +
      `<tbody>${alone.join('')}${chosen.length > 1 ? row('together', counts[tile]) : ''}</tbody>`;
    panels[3].querySelector('h3')!.textContent = `In numbers: ${data.tiles[tile].name}`;
  };

  const control = (name: string): PageElement | null => root.querySelector(`[data-control="${name}"]`);
  const set = (name: string, value: string): void => {
    const found = control(name);
    if (found && found.value !== value) found.value = value;
  };
  const draw = (): void => {
    if (cursor !== null && (cursor < choice.from || cursor > choice.to)) cursor = null;
    set('tile', String(tile));
    set('threshold', String(choice.threshold));
    set('from', dateOf(choice.from));
    set('to', dateOf(choice.to));
    set('first', String(choice.months[0]));
    set('last', String(choice.months[1]));
    set('measure', String(measure));
    set('period', String(periods.findIndex(({ from, to }) => from === choice.from && to === choice.to)));
    find('.controls output').textContent = `${choice.threshold} %`;
    control('scope')!.setAttribute('aria-pressed', String(everyTile));
    drawMap();
    drawCalendar();
    drawHistogram();
    drawNumbers();
  };
  const choose = (changed: Partial<ExplorerChoice>): void => {
    choice = { ...choice, ...changed };
    const runs = runsOf(choice);
    counts = data.tiles.map((_, index) => count(index, choice, runs));
    draw();
  };

  const changed = ({ target }: PageEvent): void => {
    const name = target.dataset['control'];
    const value = Number(target.value);
    if (name === 'tile') tile = value;
    if (name === 'measure') measure = value;
    if (name === 'tile' || name === 'measure') draw();
    if (name === 'threshold') choose({ threshold: value });
    if (name === 'first') choose({ months: [value, choice.months[1]] });
    if (name === 'last') choose({ months: [choice.months[0], value] });
    if (name === 'period' && value >= 0) choose({ from: periods[value].from, to: periods[value].to });
    if ((name === 'from' || name === 'to') && target.value !== '') {
      const day = Math.min(data.to, Math.max(data.from, dayOf(target.value)));
      choose(
        name === 'from'
          ? { from: day, to: Math.max(day, choice.to) }
          : { to: day, from: Math.min(day, choice.from) },
      );
    }
    if (name === 'sensor') {
      const sensors = choice.sensors.map((was, index) =>
        index === Number(target.dataset['sensor']) ? target.checked : was,
      );
      // nothing is seen without a sensor
      if (sensors.includes(true)) choose({ sensors });
      else target.checked = true;
    }
  };
  root.addEventListener('input', (event) => {
    if (event.target.dataset['control'] === 'threshold') changed(event);
  });
  root.addEventListener('change', changed);
  root.addEventListener('click', ({ target }) => {
    const of = (key: string): number | null => {
      const found = target.closest(`[data-${key}]`)?.dataset[key];
      return found === undefined ? null : Number(found);
    };
    const [onTile, onDay, onGap] = [of('tile'), of('day'), of('gap')];
    const name = target.closest('button')?.dataset['control'];
    if (onTile !== null) tile = onTile;
    if (onDay !== null) pointDay(onDay);
    if (onGap !== null) pointed = pointed === onGap ? 0 : onGap;
    if (name === 'scope') everyTile = !everyTile;
    if (name === 'reset') {
      [tile, measure, everyTile, pointed, cursor] = [0, 0, false, 0, null];
      for (const box of root.querySelectorAll('[data-control="sensor"]')) box.checked = true;
      choose(start);
    } else if (onTile !== null || onDay !== null || onGap !== null || name === 'scope') draw();
  });
  /** Puts the cursor on a day, and points out the gap that it lies in. */
  const pointDay = (day: number): void => {
    cursor = day;
    const around = counts[tile].gaps.find(({ from, to }) => day > from && day < to);
    pointed = around ? around.to - around.from : 0;
  };
  const arrows: Record<string, readonly [number, number]> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, 1],
    ArrowDown: [0, -1],
  };
  /** The nearest tile in a direction; the one chosen where there is none. */
  const neighbour = ([dx, dy]: readonly [number, number]): number => {
    const here = middles[tile];
    let [best, nearest] = [tile, Number.POSITIVE_INFINITY];
    middles.forEach((there, index) => {
      if (here === null || there === null || index === tile) return;
      const across = Math.cos((here[1] * Math.PI) / 180);
      const [east, north] = [(there[0] - here[0]) * across, there[1] - here[1]];
      const along = east * dx + north * dy;
      const aside = Math.abs(east * dy) + Math.abs(north * dx);
      if (along <= 0.01 || aside > along) return;
      if (along + 2 * aside < nearest) [best, nearest] = [index, along + 2 * aside];
    });
    return best;
  };
  root.addEventListener('keydown', (event) => {
    const plot = event.target.closest('.plot');
    const arrow = arrows[event.key];
    if (plot === null || (arrow === undefined && event.key !== 'Escape')) return;
    event.preventDefault();
    const is = (name: string): boolean => event.target.closest(`.${name}`) !== null;
    if (event.key === 'Escape') [pointed, cursor] = [0, null];
    else if (is('map')) tile = neighbour(arrow);
    else if (is('calendar')) {
      const month = (day: number, step: number): number => {
        const at = new Date(day * msPerDay);
        const last = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + step + 1, 0)).getUTCDate();
        return (
          Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + step, Math.min(at.getUTCDate(), last)) / msPerDay
        );
      };
      const to =
        cursor === null ? choice.from : arrow[0] !== 0 ? cursor + arrow[0] : month(cursor, -arrow[1]);
      pointDay(Math.min(choice.to, Math.max(choice.from, to)));
    } else {
      const all = [...new Set(lengths())].sort((a, b) => a - b);
      const step = arrow[0] || arrow[1];
      const at = all.indexOf(pointed);
      pointed =
        at < 0
          ? (all[step > 0 ? 0 : all.length - 1] ?? 0)
          : all[Math.max(0, Math.min(all.length - 1, at + step))];
    }
    draw();
  });
  choose({});
  new (globalThis as unknown as Page).ResizeObserver(draw).observe(root);
};
