# ngx_lua alongside the module: Debian's package of it, with Debian's nginx, or built into nginx, as in OpenResty.
#
#   balancers       balancer_by_lua in another upstream, and in the same one
#   subrequests     ngx.location.capture of a location with a sticky upstream
#   the request     ngx.req.set_header and clear_header of Cookie before the cookie is read and hidden
#   the response    header_filter_by_lua reads, changes and removes the module's cookie, with either module loaded first

use File::Temp;

my @lua;

sub loaded { return join '', map { "load_module $_;\n" } @_ }

# A module only fits the nginx that it was built for, here that of the same Debian.
BEGIN {
    my $told = `$ENV{TEST_NGINX_BINARY} -V 2>&1`;
    my $is_built_in = $told =~ /ngx_lua/;
    if (!$is_built_in && $told =~ /--modules-path=(\S+)/) {
        @lua = map { "$1/$_.so" } qw(ndk_http_module ngx_http_lua_module);
        my $configuration = File::Temp->new;
        print $configuration loaded(@lua), "events {}\n";
        close $configuration;
        @lua = () if system "$ENV{TEST_NGINX_BINARY} -t -q -e stderr -c $configuration >/dev/null 2>&1";
    }
    # perl -c compiles the whole file.
    if (!$is_built_in && !@lua && !$^C) {
        print "1..0 # SKIP there is no ngx_lua for this nginx\n";
        exit;
    }
}

use Sticky;

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

my @modules = split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
$Test::Nginx::Util::LoadModules = '';

our $sticky_first = loaded(@modules, @lua);
our $lua_first = loaded(@lua, reverse @modules);

# The same for either order of loading.
our $filter = <<'_EOC_';
header_filter_by_lua_block {
    local cookies = ngx.header["Set-Cookie"]
    ngx.header["X-Seen"] = type(cookies) == "table" and table.concat(cookies, "|") or cookies
    if ngx.var.arg_edit then ngx.header["Set-Cookie"] = ngx.header["X-Seen"] .. "; Edited" end
    if ngx.var.arg_clear then ngx.header["Set-Cookie"] = nil end
}
location / { proxy_pass http://u; }
location /prefix/ { proxy_pass http://prefix/; }
_EOC_
our $filtered = <<'_EOC_';
-> A, X-Seen "route=ID_A; Path=/", sets "route=ID_A; Path=/"
route=ID_A -> A, no X-Seen, sets nothing
/sets -> says "B", X-Seen "app=x|route=ID_B; Path=/", sets "app=x, route=ID_B; Path=/"
/prefix/sets -> says "A", X-Seen "app=ID_A~x", sets "app=ID_A~x"
/t?edit=1 -> A /t?edit=1, sets "route=ID_A; Path=/; Edited"
/t?clear=1 -> B /t?clear=1, X-Seen "route=ID_B; Path=/", sets nothing
_EOC_

my $servers = servers('location /sets { add_header Set-Cookie "app=x"; return 200 "NAME"; }');

add_block_preprocessor(sub {
    my ($block) = @_;
    fill($block, <<"_EOC_");
$servers
upstream u      { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
upstream hiding { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
upstream prefix { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=app mode=prefix; }
_EOC_
    $block->set_value(main_config => $sticky_first) if !defined $block->main_config;
    $block->set_value(no_error_log => "[error]\n[crit]\n[alert]\n[emerg]\n")
        if !defined $block->no_error_log && !defined $block->error_log;
});

run_tests();

__DATA__

=== balancer_by_lua in another upstream: it selects the server there, and sessions work in the sticky upstream
--- http_config
upstream lua {
    server 0.0.0.1;
    balancer_by_lua_block { require("ngx.balancer").set_current_peer("127.0.0.1", 1987) }
}
--- config
location / { proxy_pass http://u; }
location /lua/ { proxy_pass http://lua; }
--- visits
-> A, sets "route=ID_A; Path=/"
/lua/ -> C /lua/, sets nothing
route=ID_B -> B, sets nothing
/lua/ route=ID_B -> C /lua/, sees "route=ID_B", sets nothing
route=ID_B -> B, sets nothing



=== balancer_by_lua in the same upstream: it selects the server, and the log reports that sessions do not stick
--- http_config
upstream lua {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
    balancer_by_lua_block { require("ngx.balancer").set_current_peer("127.0.0.1", 1987) }
    session_sticky;
}
--- config
location / { proxy_pass http://lua; }
--- visits
route=ID_B -> C, sees "route=ID_B", sets nothing
--- error_log
upstream "lua" is not based on round robin, sessions do not stick
--- no_error_log
[crit]
[alert]



=== balancer_by_lua that selects or rejects some requests: a cookie does not bypass it
--- http_config
upstream some {
    server 127.0.0.1:1985;
    server 127.0.0.1:1986 down;
    balancer_by_lua_block { if ngx.var.arg_lua then require("ngx.balancer").set_current_peer("127.0.0.1", 1987) end }
    session_sticky;
}
upstream refuses {
    session_sticky;
    balancer_by_lua_file $TEST_NGINX_HTML_DIR/refuses.lua;
    server 127.0.0.1:1985;
    server 127.0.0.1:1986;
}
--- config
location / { proxy_pass http://some; }
location /refuses { proxy_pass http://refuses; }
--- user_files
>>> refuses.lua
if ngx.var.arg_no then error("no") end
--- visits
route=ID_A -> A, sees "route=ID_A", sets nothing
/t?lua=1 route=ID_A -> C /t?lua=1, sees "route=ID_A", sets nothing
/refuses route=ID_B -> [AB] /refuses, sets nothing
/refuses?no=1 route=ID_B -> 500, sets nothing
--- may_warn
is not based on round robin, sessions do not stick
failed to run balancer_by_lua
--- no_error_log
[crit]
[alert]



=== ngx.location.capture: the subrequest reaches its server, and sets nothing
--- config
location = /page {
    content_by_lua_block {
        local part = ngx.location.capture("/part")
        ngx.print("[", part.body, "] ", part.header["Set-Cookie"] or "no cookie")
    }
}
location = /part { proxy_pass http://u/; }
location / { proxy_pass http://u; }
--- visits
/page route=ID_B -> says "[B / cookie=[route=ID_B]\n] no cookie", sets nothing
/page route=ID_A -> says "[A / cookie=[route=ID_A]\n] no cookie", sets nothing
/page -> says like "\[[AB] / cookie=\[\]\n\] no cookie", sets nothing
/ route=ID_B -> B /, sets nothing



=== ngx.location.capture_multi: subrequests to two upstreams, each with its session and its own hiding
--- config
location = /page {
    content_by_lua_block {
        local a, b = ngx.location.capture_multi({{"/part"}, {"/hidden"}})
        ngx.print(a.body, b.body)
    }
}
location = /part { proxy_pass http://u/; }
location = /hidden { proxy_pass http://hiding/; }
--- visits
/page route=ID_B -> says "B / cookie=[route=ID_B]\nB / cookie=[]\n", sets nothing
/page a=b; route=ID_A -> says "A / cookie=[a=b; route=ID_A]\nA / cookie=[a=b]\n", sets nothing



=== access_by_lua with a capture of a sticky location: the main request sets its own cookie
--- config
location / {
    access_by_lua_block {
        if ngx.location.capture("/part").status ~= 200 then ngx.exit(403) end
    }
    proxy_pass http://u;
}
location = /part { proxy_pass http://hiding/; }
--- visits
/t route=ID_B -> B, sees "route=ID_B", sets nothing
/t -> says like "[AB] /t cookie=\[\]\n", sets like "route=(?:ID_A|ID_B); Path=/"



=== ngx.req.set_header of Cookie: the new value is read and hidden
--- config
location / {
    rewrite_by_lua_block {
        ngx.req.set_header("Cookie", ngx.var.http_x_cookie)
    }
    proxy_pass http://u;
}
location /hiding/ {
    access_by_lua_block {
        ngx.req.set_header("Cookie", ngx.var.http_x_cookie)
    }
    proxy_pass http://hiding;
}
--- visits
/t route=ID_A | X-Cookie: a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing
/t X-Cookie: route=ID_B -> B, sees "route=ID_B", sets nothing
/hiding/t route=ID_A | X-Cookie: a=b; route=ID_B -> B /hiding/t, sees "a=b", sets nothing
/hiding/t X-Cookie: route=ID_B -> B /hiding/t, sees nothing, sets nothing
/hiding/t route=ID_A; c=d | X-Cookie: route=ID_A -> A /hiding/t, sees nothing, sets nothing



=== ngx.req.clear_header of Cookie: a first visit
--- config
location / {
    access_by_lua_block { ngx.req.clear_header("Cookie") }
    proxy_pass http://hiding;
}
--- visits
route=ID_B -> A, sees nothing, sets "route=ID_A; Path=/"
a=b; route=ID_A -> B, sees nothing, sets "route=ID_B; Path=/"



=== several Cookie fields from ngx.req.set_header: each is read and hidden
--- config
location / {
    access_by_lua_block {
        ngx.req.set_header("Cookie", {"a=b; " .. ngx.var.http_x_cookie, ngx.var.http_x_cookie .. "; c=d"})
    }
    proxy_pass http://hiding;
}
--- visits
/t X-Cookie: route=ID_B -> B, sees "a=b; c=d", sets nothing



=== header_filter_by_lua reads and may change the module's cookie: the module loaded first
--- main_config eval: $::sticky_first
--- config eval: $::filter
--- visits eval: $::filtered



=== header_filter_by_lua reads and may change the module's cookie: ngx_lua loaded first
--- main_config eval: $::lua_first
--- config eval: $::filter
--- visits eval: $::filtered
