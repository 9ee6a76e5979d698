#!/bin/sh
# Installs the module that was built for $NGINX_BINARY into the module directory of that nginx. On Debian and derivatives,
# also installs the file that loads it, as their module packages do.

cd "$(dirname "$0")/.."
. build/lib.sh

need_nginx_binary install
. build/places.sh

so=$(module_dir)/$module.so
if command -v cargo >/dev/null; then
    sh build/module.sh
elif [ -f "$so" ]; then
    # sudo make install: root often has no Rust. The module that was built before is installed.
    is_vendored || is_built_for "$NGINX_BINARY" "$(module_dir)" ||
        die "$so was built for another nginx than $NGINX_BINARY is now: make NGINX_BINARY=$NGINX_BINARY"
    sh build/check-load.sh "$NGINX_BINARY" "$so"
else
    die "there is no $so yet: make NGINX_BINARY=$NGINX_BINARY"
fi

replaces=
[ ! -e "$modules_path/$module.so" ] || replaces=yes

# Installed under another name, then renamed: a running nginx has the old file mapped.
install -d "$modules_path"
install -m 644 "$so" "$modules_path/.$module.so.new"
mv -f "$modules_path/.$module.so.new" "$modules_path/$module.so"
say "installed $modules_path/$module.so"

if [ -n "$debian" ]; then
    install -d "${available%/*}" "${enabled%/*}"
    install -m 644 packaging/debian/mod-http-session-sticky.conf "$available"
    ln -sf "${available#"${DESTDIR:-}"}" "$enabled"
    say "installed $available"
    say "enabled   $enabled"
else
    say "Next, at the top of $conf_path, before events { }:"
    say "    load_module $load_path;"
fi

[ -z "${DESTDIR:-}" ] || exit 0
if [ -n "$replaces" ]; then
    say "Next: $NGINX_BINARY -t, then restart nginx: a reload keeps the module that it has loaded."
else
    say "Next: session_sticky; in an upstream { }, then: $NGINX_BINARY -t && $NGINX_BINARY -s reload"
fi
