import type { SlurmSettings } from '../../experiments/sweep.js';
import { Fault } from '../../fault.js';
import { safeName } from '../../files.js';
import type { Milestone } from '../executor.js';

/** What a batch script is written from. */
export interface BatchScript {
  name: string;
  /** Working folder: relative settings of the environment mean the same in the job. */
  cwd: string;
  /** Folder for logs and marks, on a file system that the nodes share. */
  folder: string;
  /** Holds the tasks' folders and logs. */
  home: string;
  /** File with a line for each array task: its tasks as `position:tag`, tabs between. */
  tasks: string;
  /** Array tasks of this job. */
  count: number;
  /** Array tasks that run at the same time. */
  parallel: number;
  program: string;
  /** Words before `--index N …`. */
  words: readonly string[];
  milestone: Milestone;
  settings: SlurmSettings;
}

/** A word for bash, whatever is in it. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * A value for an `#SBATCH` line. These are settings of the sweep and of the command line; nothing that comes from a path or
 * a tag stands in such a line.
 */
const directiveWord = (key: string, word: string): string => {
  if (/[\p{Cc}"'\\]/u.test(word))
    throw new Fault(
      `slurm.${key}: ${word}; no quotes, backslashes or line breaks, sbatch would read them otherwise`,
    );
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `"${word}"`;
};

const optionLine = (option: string): string => {
  if (/\p{Cc}/u.test(option)) throw new Fault(`slurm.options: ${option}; one option a line, no line breaks`);
  return `#SBATCH ${option}\n`;
};

/**
 * Words for sbatch that hold a path: on its command line, and not in the script, they need no quotes.
 *
 * @param folder the log of each array task goes here
 * @param comment what the job is known by in the queue
 * @throws Fault for a folder that Slurm would not take as it is
 */
export const submitWords = (folder: string, comment: string): string[] => {
  if (/[\p{Cc}\\]/u.test(folder + comment))
    throw new Fault(
      `--executor slurm: ${folder}; Slurm takes no backslashes or line breaks in a path, choose another folder`,
    );
  return [`--comment=${comment}`, `--output=${folder.replaceAll('%', '%%')}/%A_%a.log`];
};

/**
 * The batch script of one job array: an array task runs the tasks of its line, one after the other, each in a process with a
 * log of its own. Shortly before the time limit it stops them at the last whole epoch (or scene) and queues itself again, as
 * long as it got any further since it started; one that is preempted is queued again by Slurm (`--requeue`).
 */
export const batchScript = ({
  name,
  cwd,
  folder,
  home,
  tasks,
  count,
  parallel,
  program,
  words,
  milestone,
  settings,
}: BatchScript): string => {
  const { partition, account, qos, constraint, mem, time = '60', cpus = 1, signalSeconds = 60 } = settings;
  const directives: [string, string | number | undefined][] = [
    ['job-name', `bandalign-${safeName(name, 'job')}`],
    ['array', `0-${count - 1}%${parallel}`],
    ['open-mode', 'append'],
    ['signal', `B:USR1@${signalSeconds}`],
    ['ntasks', 1],
    ['cpus-per-task', cpus],
    ['time', time],
    ['mem', mem],
    ['partition', partition],
    ['account', account],
    ['qos', qos],
    ['constraint', constraint],
  ];
  return `#!/bin/bash
${directives
  .filter(([, value]) => value !== undefined)
  .map(([key, value]) => `#SBATCH --${key}=${directiveWord(key, String(value))}`)
  .join('\n')}
#SBATCH --requeue
${(settings.options ?? []).map(optionLine).join('')}
cd ${shellWord(cwd)} || exit 1
export BANDALIGN_THREADS=\${SLURM_CPUS_PER_TASK:-${cpus}}
unset MLFLOW_RUN_ID

line=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" ${shellWord(tasks)})
IFS=$'\\t' read -r -a trials <<<"$line"

started=${shellWord(folder)}/.started-\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}
touch "$started"
folders=()
worker=
trap 'rm -f "$started"' EXIT

stop() {
  kill -TERM "$worker" 2>/dev/null
  while kill -0 "$worker" 2>/dev/null; do wait "$worker"; done
}

# the time limit is near
again() {
  stop
  if [ -n "$(find "\${folders[@]}" -name ${shellWord(milestone.files)} -newer "$started" -print -quit 2>/dev/null)" ]; then
    echo "bandalign: time limit near; queued again to go on ${milestone.resumesFrom}"
    scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}"
    # requeueing ends this task
    sleep 60
  fi
  echo "bandalign: no ${milestone.what} was finished within the time limit; raise slurm.time" >&2
  exit 124
}
trap again USR1
trap 'stop; exit 143' TERM INT

status=0
for trial in "\${trials[@]}"; do
  index=\${trial%%:*}
  tag=\${trial#*:}
  folders+=(${shellWord(home)}/"$tag")
  ${[program, ...words].map(shellWord).join(' ')} --index "$index" >>${shellWord(home)}/logs/"$tag".log 2>&1 &
  worker=$!
  wait "$worker" || status=$?
done
exit "$status"
`;
};
