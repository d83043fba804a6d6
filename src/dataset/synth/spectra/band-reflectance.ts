import { wavelengths } from './endmembers.js';
import { responsesOf, type SensorName } from './responses.js';

const weighted = (response: readonly number[], values: readonly number[]): number => {
  let [sum, weight] = [0, 0];
  for (let i = 0; i < response.length; i++) {
    sum += response[i] * values[i];
    weight += response[i];
  }
  return sum / weight;
};

/** What a sensor's four bands see of a spectrum (0 to 1): its mean, weighted by the response. */
export const bandReflectance = (sensor: SensorName, spectrum: readonly number[]): number[] =>
  responsesOf(sensor).map((response) => weighted(response, spectrum));

/** Response-weighted mean wavelength of a sensor's four bands, nm. */
export const bandCentres = (sensor: SensorName): number[] =>
  responsesOf(sensor).map((response) => weighted(response, wavelengths));
