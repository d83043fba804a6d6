#!/bin/bash
#SBATCH --job-name=bandalign-ablation
#SBATCH --array=0-39%16
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --time=60
#SBATCH --requeue

cd /home/me/work || exit 1
export BANDALIGN_THREADS=${SLURM_CPUS_PER_TASK:-1}
unset MLFLOW_RUN_ID

line=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" /home/me/work/outputs/ablation/slurm/array-0001.tasks)
IFS=$'\t' read -r -a trials <<<"$line"

started=/home/me/work/outputs/ablation/slurm/.started-${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}
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
  if [ -n "$(find "${folders[@]}" -name '*.safetensors' -newer "$started" -print -quit 2>/dev/null)" ]; then
    echo "bandalign: time limit near; queued again to go on from the last checkpoint"
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    # requeueing ends this task
    sleep 60
  fi
  echo "bandalign: no epoch was finished within the time limit; raise slurm.time" >&2
  exit 124
}
trap again USR1
trap 'stop; exit 143' TERM INT

status=0
for trial in "${trials[@]}"; do
  index=${trial%%:*}
  tag=${trial#*:}
  folders+=(/home/me/work/outputs/ablation/"$tag")
  /usr/bin/node /opt/bandalign/dist/cli/main.js run-trial --manifest /home/me/work/outputs/ablation/manifest.json --index "$index" >>/home/me/work/outputs/ablation/logs/"$tag".log 2>&1 &
  worker=$!
  wait "$worker" || status=$?
done
exit "$status"
