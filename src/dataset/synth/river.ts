import { between, type Random } from '../../config/random.js';

/** A river's share of each fine pixel and of its bank, along a meandering line across the square. */
export const riverOf = (random: Random, size: number, pixel: number) => {
  const vertical = random.next() < 0.5;
  const width = between(random, 40, 150) / pixel;
  const [start, drift] = [between(random, 0.2, 0.8) * size, between(random, -0.3, 0.3)];
  const waves = [1, 2, 4].map((n) => ({
    height: (between(random, 0.02, 0.08) * size) / n,
    turn: (2 * Math.PI * n * between(random, 0.7, 1.3)) / size,
    phase: 2 * Math.PI * random.next(),
  }));
  const centre = Float64Array.from({ length: size }, (_, along) =>
    waves.reduce(
      (at, { height, turn, phase }) => at + height * Math.sin(turn * along + phase),
      start + drift * along,
    ),
  );
  return (column: number, row: number): { water: number; bank: number } => {
    const distance = Math.abs((vertical ? column : row) - centre[vertical ? row : column]);
    const clamp = (value: number): number => Math.min(1, Math.max(0, value));
    const water = clamp(width / 2 - distance + 0.5);
    return { water, bank: clamp(width - distance + 0.5) - water };
  };
};
