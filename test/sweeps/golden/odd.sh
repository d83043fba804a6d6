#!/bin/bash
#SBATCH --job-name=bandalign-odd
#SBATCH --array=0-39%16
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --time=1-00:00:00
#SBATCH --mem=4G
#SBATCH --partition=cpu,long
#SBATCH --account=rs-42
#SBATCH --qos=low
#SBATCH --constraint="avx2&ib"
#SBATCH --requeue
#SBATCH --nice=100
#SBATCH --exclude=node[1-3]

cd '/data/it'\''s 100% mine' || exit 1
export BANDALIGN_THREADS=${SLURM_CPUS_PER_TASK:-4}
unset MLFLOW_RUN_ID

line=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" '/data/it'\''s 100% mine/slurm/array-0001.tasks')
IFS=$'\t' read -r -a trials <<<"$line"

started='/data/it'\''s 100% mine/slurm'/.started-${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}
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
  folders+=('/data/it'\''s 100% mine/odd'/"$tag")
  /usr/bin/node /opt/bandalign/dist/cli/main.js run-trial --manifest /home/me/work/outputs/ablation/manifest.json --index "$index" >>'/data/it'\''s 100% mine/odd'/logs/"$tag".log 2>&1 &
  worker=$!
  wait "$worker" || status=$?
done
exit "$status"
