#!/bin/sh
# phrases.sh [FILE ...]: finds the phrases of build/lint/phrases in these files; default: in all text files of the repository.

set -eu

cd "$(dirname "$0")/../.."
list=build/lint/phrases
tab=$(printf '\t')

if [ $# = 0 ]; then
    # shellcheck disable=SC2046 # a list of words
    set -- $(find . -type d \( -name .git -o -name objs -o -name target -o -name seeds -o -name node_modules \) -prune \
        -o -type f ! -name '*.svg' ! -name '*.png' ! -name '*.lock' ! -name '*.json' ! -path "./$list" ! -name LICENSE ! -name copyright -print | LC_ALL=C sort)
fi

found=0
while IFS=$tab read -r pattern instead; do
    case $pattern in '#'*) continue ;; esac
    if grep -nIE -e "$pattern" /dev/null "$@"; then
        echo "    instead: $instead"
        found=1
    fi
done <"$list"
exit "$found"
