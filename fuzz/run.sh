#!/usr/bin/env bash
# Fuzzes every target, or those named, for so many minutes of processor time each, and prints what came of it as a table.
#
#   fuzz/run.sh [-m MINUTES] [-j JOBS] [-n NICE] [-o FOLDER] [TARGET...]
#
#   -m  minutes of processor time per target; 30 when not said
#   -j  targets at the same time; as many as there are processors when not said
#   -n  niceness; 19 when not said
#   -o  where inputs, findings and logs are kept from run to run; fuzz/found when not said
#
# Nothing is written to the kept corpora: a target starts from its kept inputs and from what earlier runs left in FOLDER. At the
# end what a target found is cut down to the inputs that reach something of their own. The exit status is 1 when something was
# found in this run or lies there from an earlier one.
set -euo pipefail

minutes=30 jobs=$(nproc) niceness=19 found=
usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit "$1"
}
while getopts 'm:j:n:o:h' option; do
    case $option in
        m) minutes=$OPTARG ;;
        j) jobs=$OPTARG ;;
        n) niceness=$OPTARG ;;
        o) found=$OPTARG ;;
        h) usage 0 ;;
        *) usage 2 >&2 ;;
    esac
done
shift $((OPTIND - 1))
[[ $minutes =~ ^[1-9][0-9]*$ && $jobs =~ ^[1-9][0-9]*$ ]] || usage 2 >&2
[ -z "$found" ] || found=$(mkdir -p "$found" && cd "$found" && pwd)
cd "$(dirname "$0")/.."
found=${found:-$PWD/fuzz/found}

# One call of a target is at most this many seconds by the wall clock, and never more than what is left of its time.
readonly SLICE=600
# Seconds by the wall clock of an input that hangs; many, since a niced process may wait long for its turn.
readonly LONG=600
# A target that was found wrong so often in one run is left alone: the next finding is likely the last one again.
readonly ENOUGH=5
# More than the targets' longest input that says something new; libFuzzer's own choice would be the longest seed.
readonly LONGEST=16384

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
host=$(rustc -vV | sed -n 's/^host: //p')
programs=${CARGO_TARGET_DIR:-fuzz/target}/$host/release
[ $# -gt 0 ] || set -- $(cargo fuzz list)
nice -n "$niceness" cargo fuzz build -s none
mkdir -p "$found"

# Sets `cpu` to the processor time of all children of this shell that have ended, in seconds. Through a file, since a
# substitution would be a shell of its own, without children.
measure() {
    times >"$1"
    cpu=$(sed -n '2s/[ms]/ /gp' "$1" | awk '{ printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }')
}

# "coverage features inputs" of a corpus.
reach() {
    "$programs/$1" -runs=0 "$2" 2>&1 |
        sed -n 's/.*INITED cov: \([0-9]*\) ft: \([0-9]*\) corp: \([0-9]*\).*/\1 \2 \3/p' | tail -1
}

# One target to the end of its time: a line of the table.
fuzz() {
    local target=$1 folder=$found/$1 executions=0 findings=0 cpu=0 slice
    mkdir -p "$folder/corpus" "$folder/findings"
    : >"$folder/log"
    renice -n "$niceness" -p "$BASHPID" >/dev/null 2>&1 || true
    while [ "$cpu" -lt $((minutes * 60)) ] && [ "$findings" -lt $ENOUGH ]; do
        slice=$((minutes * 60 - cpu))
        slice=$((slice < 10 ? 10 : slice > SLICE ? SLICE : slice))
        "$programs/$target" "$folder/corpus" "fuzz/corpus/$target" -max_total_time=$slice -timeout=$LONG -report_slow_units=$LONG -rss_limit_mb=4096 \
            -max_len=$LONGEST -print_final_stats=1 -artifact_prefix="$folder/findings/" >"$folder/slice" 2>&1 ||
            findings=$((findings + 1))
        executions=$((executions + $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/slice" | tail -1 | grep . || echo 0)))
        cat "$folder/slice" >>"$folder/log"
        measure "$folder/slice"
    done
    rm -rf "$folder/slice" "$folder/small"
    mkdir "$folder/small"
    "$programs/$target" -merge=1 -max_len=$LONGEST "$folder/small" "fuzz/corpus/$target" "$folder/corpus" \
        >>"$folder/log" 2>&1 || findings=$((findings + 1))
    local all kept coverage features inputs seed_coverage seed_features seeds
    all=$(find "$folder/corpus" -type f | wc -l)
    read -r seed_coverage seed_features seeds < <(reach "$target" "fuzz/corpus/$target")
    read -r coverage features inputs < <(reach "$target" "$folder/small")
    kept=$(find "$folder/small" -type f | wc -l)
    # The kept inputs among them are tried anyway.
    rm -rf "$folder/corpus" && mv "$folder/small" "$folder/corpus"
    printf '| `%s` | %d:%02d | %s | %d | %d -> %d | %d -> %d | %d -> %d (of %d) | %d |\n' "$target" $((cpu / 60)) $((cpu % 60)) \
        "$(printf '%d' "$executions" | sed ':a;s/\B[0-9]\{3\}\>/ &/;ta')" $((executions / (cpu > 0 ? cpu : 1))) \
        "$seed_coverage" "$coverage" "$seed_features" "$features" "$seeds" "$kept" "$((seeds + all))" \
        "$(find "$folder/findings" -type f | wc -l)" >"$folder/row"
}

for target; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n || true
    done
    fuzz "$target" &
done
wait

printf '%s, commit %s\n\n' "$(date +%F)" "$commit"
printf '| target | processor time, min:s | executions | per second | coverage | features | inputs, seeds -> small | findings |\n'
printf '|---|---|---|---|---|---|---|---|\n'
for target; do
    cat "$found/$target/row"
done
files=$(find "$found" -path '*/findings/*' -type f)
[ -z "$files" ] || { printf '\nfound:\n%s\n' "$files"; exit 1; }
