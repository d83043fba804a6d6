import type { SummedRows } from '../dataset/statistics-table.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { modelOf } from '../models/index.js';
import type { Mapping } from '../models/mapping.js';
import { contextOf } from './network.js';

/**
 * Fits a model with one mapping for all tiles on some pixels' sums, such as those of `data.sum(data.lists.train)`.
 *
 * @throws Fault for a model that is trained, or that looks at tiles one by one: `runExperiment` fits those
 */
export const fitClosedForm = (experiment: Experiment, sums: SummedRows): Mapping => {
  const model = modelOf(experiment);
  const refusal = new Fault(
    `model: ${model.kind}; it has no closed form of sums alone, train it by runExperiment`,
  );
  const input = {
    ...contextOf(experiment),
    sums,
    get patches(): never {
      throw refusal;
    },
  };
  const mapping = model.fit?.(input as never) as Mapping | null | undefined;
  if (!mapping || !('form' in mapping)) throw refusal;
  return mapping;
};
