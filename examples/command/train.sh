#!/bin/sh
# Any program in any language: it gets the params as words, and tells its result as JSON.
length=$1 word=$2
printf 'trial %s with seed %s: %s × %s\n' "$HYPERSWEEP_TRIAL" "$HYPERSWEEP_SEED" "$length" "$word" >&2
total=0
for step in 1 2 3; do
    total=$((total + length * ${#word}))
    # intermediate results, one JSON object a line
    echo "{\"step\": $step, \"metrics\": {\"characters\": $total}}" >> "$HYPERSWEEP_REPORT"
done
# the result: the last JSON line of stdout, or JSON in the file $HYPERSWEEP_RESULT
echo "{\"characters\": $total}"
