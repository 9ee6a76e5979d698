# Sourced by nginx's configure when it writes its Makefile: cargo builds the library anew when a file of the module or a
# header of nginx has changed. The folders tell that a file has come.
# shellcheck shell=sh disable=SC2086,SC2154 # the variables are nginx's

sticky_sources=$(find $ngx_addon_dir/src $ngx_addon_dir/crates/session-cookie/src \( -type d -o -name '*.rs' -o -name '*.html' \) | tr '\n' ' ')
sticky_sources="$sticky_sources $ngx_addon_dir/crates/session-cookie/Cargo.toml \
    $ngx_addon_dir/build.rs $ngx_addon_dir/Cargo.lock $ngx_addon_dir/Cargo.toml"

# + is for a make that counts its jobs. The sources have no rule of their own, so that one may go.
cat << END                                                    >> $NGX_MAKEFILE

$sticky_linked:	$sticky_library

$sticky_library:	\$(CORE_DEPS) \$(HTTP_DEPS) $sticky_sources
	+sh $ngx_addon_dir/build/library.sh $NGX_OBJS

$sticky_sources:
END

# The one object in C: nothing in it tells in which folder that was.
case $sticky_linked in
    *.so)
        cat << END                                            >> $NGX_MAKEFILE

$NGX_OBJS/ngx_http_session_sticky_module_modules.o:	CFLAGS += -fdebug-prefix-map=\$(CURDIR)=/nginx
END
        ;;
esac
