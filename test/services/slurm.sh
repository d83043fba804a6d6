#!/usr/bin/env bash
# A real Slurm of one node for the tests, on loopback. As root, on Debian or Ubuntu (packages slurm-wlm and munge).
#
#   slurm.sh install   the packages, if they are not there
#   slurm.sh start     installs if needed, starts, waits until the node is idle; prints the path of slurm.conf and nothing
#                      else on stdout: tests run with SLURM_CONF=that path
#   slurm.sh stop      cancels what runs and ends it
#
# Everything of it lies in SLURM_SERVICE_DIR (.services/slurm); only munge has its usual places.
# Where it cannot be had (not root, no packages), it says so on stderr, prints no path and exits 0: whoever must have it
# tests for the path.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${SLURM_SERVICE_DIR:-$root/.services/slurm}
conf=$folder/slurm.conf
port=${SLURM_SERVICE_PORT:-16817}
export SLURM_CONF=$conf

without() {
  echo "slurm.sh: $1; the tests that need Slurm are left out" >&2
  exit 0
}

has() { command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; }

install() {
  has && return
  [ "$(id -u)" = 0 ] || without "it must be run as root"
  command -v apt-get >/dev/null || without "no apt-get to install slurm-wlm and munge with"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q slurm-wlm munge >&2 ||
    { apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q slurm-wlm munge >&2; } ||
    without "apt-get could not install slurm-wlm and munge"
  has || without "slurm-wlm was installed without slurmctld"
}

alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

start_munge() {
  munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1 && return
  mkdir -p /run/munge /var/log/munge /var/lib/munge /etc/munge
  chown munge: /run/munge /var/log/munge /var/lib/munge /etc/munge
  chmod 755 /run/munge
  chmod 700 /var/log/munge /var/lib/munge /etc/munge
  [ -s /etc/munge/munge.key ] || { (umask 077 && dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 2>/dev/null) && chown munge: /etc/munge/munge.key && chmod 400 /etc/munge/munge.key; }
  runuser -u munge -- /usr/sbin/munged >&2 || without "munged does not start"
  for _ in $(seq 40); do munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1 && return; sleep 0.25; done
  without "munge does not answer"
}

configure() {
  mkdir -p "$folder/state" "$folder/spool"
  local node
  node=$(hostname -s)
  # without accounts (slurmdbd): how jobs ended is in a text file
  cat >"$conf" <<CONF
ClusterName=bandalign
SlurmctldHost=$node(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
# a requeued job may start after this many seconds, else after two minutes
AuthInfo=cred_expire=5
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobcomp.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
MaxArraySize=${SLURM_SERVICE_MAX_ARRAY:-1001}
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=5
KillWait=5
MinJobAge=10
SlurmctldTimeout=30
InactiveLimit=0
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
}

ready() { sinfo -h -o %T 2>/dev/null | grep -qE '^(idle|mixed|allocated)$'; }

start() {
  install
  [ "$(id -u)" = 0 ] || without "it must be run as root"
  if alive "$folder/slurmctld.pid" && alive "$folder/slurmd.pid" && ready; then echo "$conf"; return; fi
  start_munge
  configure
  alive "$folder/slurmctld.pid" || slurmctld -f "$conf" >&2 </dev/null || without "slurmctld does not start (see $folder/slurmctld.log)"
  alive "$folder/slurmd.pid" || slurmd -f "$conf" >&2 </dev/null || without "slurmd does not start (see $folder/slurmd.log)"
  for i in $(seq 120); do
    if ready; then echo "$conf"; return; fi
    # a node that an earlier service left behind as down
    [ $((i % 20)) = 0 ] && scontrol update "nodename=$(hostname -s)" state=resume 2>/dev/null
    sleep 0.25
  done
  tail -5 "$folder/slurmctld.log" "$folder/slurmd.log" >&2
  stop
  without "the node did not come up within 30 s"
}

stop() {
  [ -s "$conf" ] || return 0
  timeout 10 scancel --user="$(id -un)" 2>/dev/null
  sleep 1
  for name in slurmd slurmctld; do
    alive "$folder/$name.pid" || continue
    kill "$(cat "$folder/$name.pid")"
    for _ in $(seq 40); do alive "$folder/$name.pid" || break; sleep 0.25; done
    alive "$folder/$name.pid" && kill -KILL "$(cat "$folder/$name.pid")"
  done
  rm -f "$folder/slurmd.pid" "$folder/slurmctld.pid"
}

case ${1:-} in
  install) install ;;
  start) start ;;
  stop) stop ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
