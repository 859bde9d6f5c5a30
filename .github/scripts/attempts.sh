#!/usr/bin/env bash
# Makes the attempts of one part of a benchmark run, and leaves them in parts/$PART for the artifact.
#
#   PART FAMILY PROVIDER SHARD      which part: its name, benchmarks/$FAMILY, --provider, --shard K/N
#   SEED TRIALS MAX_COST_USD        the same in all parts, or their ledgers can't be merged; no cost limit where empty
#   WORKERS                         attempts at the same time
#   CLI API_KEY                     claude, codex or gemini, and its key; both empty for providers that need none
#
# A task that an agent did not solve is a result, so the job succeeds. The job fails when there is no result
# (3: infrastructure; 2, 4: pytest could not run). A shard without tests (5) is no failure.
set -euo pipefail

folder="parts/$PART"
mkdir -p "$folder"
# what is known if the job is cut off
printf '{"part": "%s", "exit_code": null}\n' "$PART" >"$folder/part.json"

key=$API_KEY
unset API_KEY
case "$CLI" in
    "") ;;
    claude) export ANTHROPIC_API_KEY="$key" ;;
    codex) export OPENAI_API_KEY="$key" ;;
    gemini) export GEMINI_API_KEY="$key" ;;
    *) echo "::error::There is no agent CLI '$CLI': use claude, codex or gemini."; exit 2 ;;
esac
if [[ -n "$CLI" ]]; then
    program=$(.venv/bin/python -c 'import sys; from tools.agent_clis.binaries import argv; print(*argv(sys.argv[1]))' "$CLI")
    export "SCRIBE_${CLI^^}_BIN=$program"
fi

limits=()
if [[ -n "$MAX_COST_USD" ]]; then
    limits+=(--max-cost-usd "$MAX_COST_USD")
fi

code=0
.venv/bin/pytest "benchmarks/$FAMILY" --provider "$PROVIDER" --shard "$SHARD" -n "$WORKERS" \
    --instance-seed "$SEED" --trials "$TRIALS" "${limits[@]}" \
    --results-dir "$folder" --json-report --junit-xml "$folder/junit.xml" || code=$?
printf '{"part": "%s", "exit_code": %d}\n' "$PART" "$code" >"$folder/part.json"

case "$code" in
    0 | 5) ;;
    1) echo "::notice::$PART: not every task was solved; the summary of the run has the table." ;;
    3) echo "::error::$PART: attempts were lost, or infrastructure failed them; the log above says why."; exit "$code" ;;
    *) echo "::error::$PART: pytest ended with exit code $code; the log above says why."; exit "$code" ;;
esac
