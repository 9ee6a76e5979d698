#!/bin/sh
# Removes the files that install.sh has installed.

cd "$(dirname "$0")/.."
. build/lib.sh

need_nginx_binary uninstall
. build/places.sh

for file in "$enabled" "$available" "$modules_path/$module.so"; do
    if [ -e "$file" ] || [ -L "$file" ]; then
        rm -f "$file"
        say "removed $file"
    fi
done
[ -n "${DESTDIR:-}" ] ||
    say "Next: take session_sticky out of the configuration, $NGINX_BINARY -t, restart nginx."
