# Sourced by nginx's configure when it writes its Makefile: the library is rebuilt if a file of the module or a header of
# nginx has changed. The prerequisites include directories, whose times change when files are added.
# shellcheck shell=sh disable=SC2086,SC2154 # the variables are nginx's

sticky_sources=$(find $ngx_addon_dir/src $ngx_addon_dir/crates/session-cookie/src \( -type d -o -name '*.rs' -o -name '*.html' \) | tr '\n' ' ')
sticky_sources="$sticky_sources $ngx_addon_dir/crates/session-cookie/Cargo.toml \
    $ngx_addon_dir/build.rs $ngx_addon_dir/Cargo.lock $ngx_addon_dir/Cargo.toml"

# "+" passes make's job server to cargo. The empty rule for the sources allows files to be removed.
cat << END                                                    >> $NGX_MAKEFILE

$sticky_linked:	$sticky_library

$sticky_library:	\$(CORE_DEPS) \$(HTTP_DEPS) $sticky_sources
	+sh $ngx_addon_dir/build/library.sh $NGX_OBJS

$sticky_sources:
END

# The only object file in C: its debugging information does not contain the build directory.
case $sticky_linked in
    *.so)
        cat << END                                            >> $NGX_MAKEFILE

$NGX_OBJS/ngx_http_session_sticky_module_modules.o:	CFLAGS += -fdebug-prefix-map=\$(CURDIR)=/nginx
END
        ;;
esac
