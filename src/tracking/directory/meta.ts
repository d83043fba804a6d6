import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { RunStatus } from '../tracker.js';

/** An experiment's meta.yaml. Times are ms since 1970. */
export interface ExperimentMeta {
  artifact_location: string;
  creation_time: number | null;
  experiment_id: string;
  last_update_time: number | null;
  lifecycle_stage: 'active' | 'deleted';
  name: string;
}

/** A run's meta.yaml. Times are ms since 1970; `status` is the number that MLflow writes. */
export interface RunMeta {
  artifact_uri: string;
  deleted_time: number | null;
  end_time: number | null;
  entry_point_name: string;
  experiment_id: string;
  lifecycle_stage: 'active' | 'deleted';
  run_id: string;
  run_name: string;
  run_uuid: string;
  source_name: string;
  source_type: number;
  source_version: string;
  start_time: number | null;
  status: number;
  tags: readonly never[];
  user_id: string;
}

/** Statuses in the order of their numbers, from 1. */
const statuses: readonly RunStatus[] = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'];

export const statusNumber = (status: RunStatus): number => statuses.indexOf(status) + 1;
export const statusName = (number: number): RunStatus => statuses[number - 1] ?? 'RUNNING';

// what JSON leaves as it is and YAML's reader refuses or takes for the end of a line
const unprintable = /[\u007f-\u009f\u2028\u2029\ufeff]/g;
const escaped = (text: string): string =>
  JSON.stringify(text.replace(/\p{Surrogate}/gu, '\ufffd')).replace(
    unprintable,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** YAML of a flat record. Every string is quoted as in JSON: bare, `0123` is 83 and `on` is true to PyYAML. */
export const metaText = (meta: object): string =>
  Object.entries(meta)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? escaped(value) : JSON.stringify(value)}\n`)
    .join('');

/** The flat record in a meta.yaml, every scalar as text (also when PyYAML wrote it); null where it is not one. */
export const readMeta = async (path: string): Promise<Record<string, string> | null> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
  try {
    const parsed: unknown = parse(text, { schema: 'failsafe', logLevel: 'silent' });
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, string>)
      : null;
  } catch {
    return null;
  }
};

const integer = (text: string | undefined): number | null =>
  text !== undefined && /^-?\d+$/.test(text) ? Number(text) : null;
const stage = (text: string | undefined): 'active' | 'deleted' => (text === 'deleted' ? 'deleted' : 'active');
// an empty YAML value is null; in a failsafe reading it is the empty string or the word
const word = (text: string | undefined): string => (text === undefined || text === 'null' ? '' : text);

export const readExperimentMeta = async (path: string): Promise<ExperimentMeta | null> => {
  const meta = await readMeta(path);
  if (!meta?.['experiment_id']) return null;
  return {
    artifact_location: word(meta['artifact_location']),
    creation_time: integer(meta['creation_time']),
    experiment_id: meta['experiment_id'],
    last_update_time: integer(meta['last_update_time']),
    lifecycle_stage: stage(meta['lifecycle_stage']),
    name: meta['name'] ?? '',
  };
};

export const readRunMeta = async (path: string): Promise<RunMeta | null> => {
  const meta = await readMeta(path);
  const id = meta?.['run_id'] ?? meta?.['run_uuid'];
  if (!meta || !id) return null;
  return {
    artifact_uri: word(meta['artifact_uri']),
    deleted_time: integer(meta['deleted_time']),
    end_time: integer(meta['end_time']),
    entry_point_name: word(meta['entry_point_name']),
    experiment_id: meta['experiment_id'] ?? '',
    lifecycle_stage: stage(meta['lifecycle_stage']),
    run_id: id,
    run_name: meta['run_name'] ?? '',
    run_uuid: meta['run_uuid'] ?? id,
    source_name: word(meta['source_name']),
    source_type: integer(meta['source_type']) ?? 4,
    source_version: word(meta['source_version']),
    start_time: integer(meta['start_time']),
    status: integer(meta['status']) ?? 1,
    tags: [],
    user_id: word(meta['user_id']),
  };
};
