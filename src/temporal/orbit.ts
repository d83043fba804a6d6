/** A Sun-synchronous satellite's repeating ground track, descending passes; the Earth a sphere. */
export interface Orbit {
  /** The track repeats after `cycleDays`, `revolutions` revolutions. */
  cycleDays: number;
  revolutions: number;
  /** Degrees, above 90: retrograde. */
  inclination: number;
  /** Width of the swath, km. */
  swathKm: number;
  /** Longitude of the descending node of revolution 0, degrees. */
  nodeLongitude: number;
  /** UTC day on which revolution 0 crosses that node. */
  nodeDay: number;
  /** Local solar time at the descending node, hours. */
  nodeHour: number;
}

/** One pass over a point: its time (ms UTC), which revolution of the cycle, and how far off the track it is. */
export interface Pass {
  time: number;
  revolution: number;
  acrossKm: number;
}

const earthKm = 6371;
const radians = Math.PI / 180;
const msPerDay = 86_400_000;

/** Degrees in [−180, 180). */
const wrap = (degrees: number): number => ((((degrees + 180) % 360) + 360) % 360) - 180;

const periodDays = ({ cycleDays, revolutions }: Orbit): number => cycleDays / revolutions;

/** Where the satellite is `u` radians after the descending node (negative: before it, to the north). */
const subpoint = (orbit: Orbit, u: number): { lat: number; lon: number } => {
  const inclination = orbit.inclination * radians;
  const lat = Math.asin(-Math.sin(inclination) * Math.sin(u));
  const along = Math.atan2(Math.cos(inclination) * Math.sin(u), Math.cos(u));
  // Sun-synchronous: the Earth turns once a solar day under the orbital plane
  const turned = 2 * Math.PI * (u / (2 * Math.PI)) * periodDays(orbit);
  return { lat, lon: along - turned };
};

const angle = (lat1: number, lon1: number, lat2: number, lon2: number): number => {
  const half = Math.sin((lat2 - lat1) / 2) ** 2;
  const side = Math.cos(lat1) * Math.cos(lat2) * Math.sin((lon2 - lon1) / 2) ** 2;
  return 2 * Math.asin(Math.min(1, Math.sqrt(half + side)));
};

/** Least distance (km) of a point from the track whose node is at `node` degrees, and the phase u there. */
const closest = (orbit: Orbit, node: number, lon: number, lat: number): { acrossKm: number; u: number } => {
  const reach = Math.sin(lat * radians) / Math.sin(orbit.inclination * radians);
  const guess = -Math.asin(Math.max(-1, Math.min(1, reach)));
  const distance = (u: number): number => {
    const at = subpoint(orbit, u);
    return angle(lat * radians, wrap(lon - node) * radians, at.lat, at.lon);
  };
  let [low, high] = [guess - 0.5, guess + 0.5];
  for (let step = 0; step < 40; step++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (distance(a) < distance(b)) high = b;
    else low = a;
  }
  const u = (low + high) / 2;
  return { acrossKm: distance(u) * earthKm, u };
};

/** Longitude of the descending node of a revolution, degrees. */
export const nodeOf = (orbit: Orbit, revolution: number): number =>
  wrap(orbit.nodeLongitude - revolution * 360 * periodDays(orbit));

/** The revolutions of a cycle (or of `among`) whose track passes a point within `withinKm`: distance and phase. */
export const revolutionsOver = (
  orbit: Orbit,
  [lon, lat]: readonly [number, number],
  withinKm = orbit.swathKm / 2,
  among: readonly number[] = Array.from({ length: orbit.revolutions }, (_, revolution) => revolution),
): { revolution: number; acrossKm: number; u: number }[] =>
  among
    .map((revolution) => ({ revolution, ...closest(orbit, nodeOf(orbit, revolution), lon, lat) }))
    .filter(({ acrossKm }) => acrossKm <= withinKm);

/** Time of the pass of a revolution, cycle `cycle`, at phase u. */
export const passTime = (orbit: Orbit, revolution: number, cycle: number, u: number): number => {
  const firstNode = orbit.nodeDay * msPerDay + (orbit.nodeHour - orbit.nodeLongitude / 15) * 3_600_000;
  const turns = revolution + cycle * orbit.revolutions + u / (2 * Math.PI);
  return firstNode + turns * periodDays(orbit) * msPerDay;
};

/** Every pass of given revolutions between two times (ms UTC, the second excluded), in order. */
export const passesBetween = (
  orbit: Orbit,
  over: readonly { revolution: number; acrossKm: number; u: number }[],
  from: number,
  until: number,
): Pass[] =>
  over
    .flatMap(({ revolution, acrossKm, u }) => {
      const cycleMs = orbit.cycleDays * msPerDay;
      const first = passTime(orbit, revolution, 0, u);
      const passes: Pass[] = [];
      for (let cycle = Math.ceil((from - first) / cycleMs); first + cycle * cycleMs < until; cycle++)
        passes.push({ time: first + cycle * cycleMs, revolution, acrossKm });
      return passes;
    })
    .sort((a, b) => a.time - b.time);
