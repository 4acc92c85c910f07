#!/usr/bin/env bash
# Trains over a federation of three members on this machine, each with a Python trainer of its own.
#
#   examples/trainer/run.sh [TRAINER] [FOLDER]
#
# TRAINER is train_numpy.py (default), train_torch.py, or train_dp_numpy.py, with noise that hides each example at EPSILON (default 8) over
# all ROUNDS (default 8). Needs `veilsum` and `python3` with numpy (and torch for the second) on the PATH; PYTHON names another
# interpreter. FOLDER is made and kept; default: a temporary one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
trainer=$here/${1:-train_numpy.py}
folder=${2:-$(mktemp -d)}
rounds=${ROUNDS:-8}
epsilon=${EPSILON:-8}
data=$here/../../data/digits/digits.csv
mkdir -p "$folder"
cd "$folder"

for who in authority coordinator alice bob carol; do veilsum keygen --out $who.key; done >/dev/null
veilsum roster init roster.toml --federation trainer --authority authority.pub --coordinator coordinator.pub >/dev/null
for who in alice bob carol; do veilsum roster add roster.toml --name $who --key $who.pub; done >/dev/null
veilsum roster sign roster.toml --key authority.key >/dev/null
"$python" "$trainer" --data "$data" --init model.safetensors
case $trainer in
*train_dp_*)
    # an example adds at most rate * clip / examples = 4 * 1 / 500, and 500 of them no more than 4
    kind=(--clip-l2 4 --unit example --example-clip l2=0.008 --epsilon "$epsilon" --delta 1e-5 --members 3 --rounds "$rounds") ;;
*)
    kind=(--clip-l2 4 --max-weight 1000) ;;
esac
veilsum task new task.toml --name digits --from model.safetensors "${kind[@]}" --corrupt 1 --dropout 0 >/dev/null
cat >coordinator.toml <<TOML
listen = "127.0.0.1:0"
key = "coordinator.key"
roster = "roster.toml"
authority = "authority.pub"
state = "state"

[[tasks]]
task = "task.toml"
rounds = $rounds
results = "results"
model = "model.safetensors"
TOML
veilsum join --print-policy --authority authority.pub >policy.toml
case $trainer in
*train_dp_*)
    # a total over all that may yet come, at any time, is told a little above what these rounds cost by themselves
    terms="required = true\\nunit = \"example\"\\nexample_clip = { l2 = 0.008 }\\nepsilon_total = $((epsilon + 1)).0\\ndelta = 1e-5"
    sed -i "s/^required = false$/$terms/" policy.toml ;;
esac
veilsum join --print-example >member.toml

echo "before: $("$python" "$trainer" --data "$data" --evaluate model.safetensors)"
veilsum serve --config coordinator.toml --json >serve.jsonl &
serve=$!
trap 'kill $serve 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    address=$(sed -n 's/.*"listening".*"address":"\([^"]*\)".*/\1/p' serve.jsonl)
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo "the coordinator did not start" >&2; exit 1; }
part=0
members=()
for who in alice bob carol; do
    veilsum join --config member.toml --coordinator "$address" --key $who.key --ledger $who.ledger --new-ledger --rounds "$rounds" \
        --exec "'$python' '$trainer' --data '$data' --part $part/3" --result "$who-{round}.safetensors" --json >$who.jsonl &
    members+=($!)
    part=$((part + 1))
done
for member in "${members[@]}"; do wait "$member"; done
wait $serve
trap - EXIT
echo "after $rounds rounds: $("$python" "$trainer" --data "$data" --evaluate results/digits-model.safetensors)"
