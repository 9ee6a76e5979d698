# if=: a request for which it is empty or "0" is load-balanced as if there were no session. Its cookie is not read, and
# nothing is set, removed or learned; hidden cookies remain hidden.
#
# /sets makes a server set the cookies "route" and "app". Round robin alternates between A and B: any other server has been
# selected by the session.

use Sticky;

our $servers = servers(<<'_EOC_');
location / { return 200 "NAME cookie=[$http_cookie]\n"; }
location /sets {
    add_header Set-Cookie "route=own-NAME; HttpOnly";
    add_header Set-Cookie "app=x";
    return 200 "NAME cookie=[$http_cookie]\n";
}
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $sticky = $block->sticky;
    fill($block, $servers . (defined $sticky
        ? "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky $sticky; }\n" : ''));
    my $sections = ($block->config // '') . "\nadd_header X-Said \"\$session_sticky_status/\$session_sticky_verdict\" always;\n";
    $sections .= "location / { proxy_pass http://u; }\n" if $sections !~ m{location / };
    $block->set_value(config => $sections);
});

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== empty and "0" are off, any other value is on
--- sticky: if=$arg_on
--- visits
-> A, sets nothing, X-Said "off/unused"
/t?on= -> B, sets nothing, X-Said "off/unused"
/t?on=0 -> A, sets nothing, X-Said "off/unused"
/t?on=1 -> B, sets "route=ID_B; Path=/", X-Said "new/none"
/t?on=00 -> A, sets "route=ID_A; Path=/", X-Said "new/none"
/t?on=off -> B, sets "route=ID_B; Path=/", X-Said "new/none"
/t?on=1 route=ID_B -> B, sets nothing, X-Said "bound/valid"
/t?on=1 route=ID_B -> B, sets nothing, X-Said "bound/valid"



=== a value with several variables
--- sticky: if=$arg_a$arg_b
--- visits
-> A, sets nothing
/t?a=0 -> B, sets nothing
/t?a=0&b=0 -> A, sets "route=ID_A; Path=/"
/t?b=1 -> B, sets "route=ID_B; Path=/"



=== off: a valid cookie is not followed, requests alternate between the servers
--- sticky: if=$arg_on
--- visits
route=ID_B -> A, sees "route=ID_B", sets nothing, X-Said "off/unused"
route=ID_B -> B, sees "route=ID_B", sets nothing, X-Said "off/unused"
route=ID_B -> A, sees "route=ID_B", sets nothing, X-Said "off/unused"
a=b; route=ID_A -> B, sees "a=b; route=ID_A", sets nothing, X-Said "off/unused"



=== off: an unknown, expired or invalid cookie is not replaced
--- sticky: if=$arg_on maxidle=1h
--- visits
route=nobody -> A, sets nothing, X-Said "off/unused"
route=| -> B, sets nothing, X-Said "off/unused"
route=ID_B|1500000000|1500000000 -> A, sets nothing, X-Said "off/unused"
route=ID_A|1500000000|1500000000 -> B, sets nothing, X-Said "off/unused"



=== off: timestamps are not renewed, and the session continues afterwards
--- sticky: if=$arg_on maxidle=1h
--- visits
route=ID_B|NOW-100|NOW-200 -> A, sets nothing
/t?on=1 route=ID_B|NOW-100|NOW-200 -> B, sets like "route=ID_B\|STAMP\|NOW-200; Path=/"



=== off: a cookie in another form is not upgraded
--- sticky: if=$arg_on accept=plain
--- visits
route=127.0.0.1:1986 -> A, sets nothing, X-Said "off/unused"
/t?on=1 route=127.0.0.1:1986 -> B, sets "route=ID_B; Path=/", X-Said "bound/valid"



=== option=direct: the server's cookie is kept
--- sticky: if=$arg_on
--- visits
/sets -> A, sees nothing, sets "route=own-A; HttpOnly, app=x"
/sets route=ID_A -> B, sees "route=ID_A", sets "route=own-B; HttpOnly, app=x"



=== option=indirect: the cookie is hidden, on and off, and the server's cookie is kept while it is off
--- sticky: if=$arg_on option=indirect
--- visits
/sets a=b; route=ID_B -> A, sees "a=b", sets "route=own-A; HttpOnly, app=x"
/sets a=b; route=ID_A -> B, sees "a=b", sets "route=own-B; HttpOnly, app=x"
/sets?on=1 a=b; route=ID_B -> B, sees "a=b", sets "app=x, route=ID_B; Path=/"



=== mode=rewrite: the server's cookie is unchanged
--- sticky: if=$arg_on mode=rewrite
--- visits
/sets route=ID_B -> A, sees "route=ID_B", sets "route=own-A; HttpOnly, app=x"
/sets route=ID_A -> B, sees "route=ID_A", sets "route=own-B; HttpOnly, app=x"
/sets?on=1 route=ID_B -> B, sees "route=ID_B", sets "route=ID_B; HttpOnly, app=x"



=== mode=prefix: the server's cookie is unchanged, and the ID is hidden
--- sticky: if=$arg_on mode=prefix
--- visits
/sets route=ID_B~v -> A, sees "route=v", sets "route=own-A; HttpOnly, app=x"
/sets route=ID_A~v -> B, sees "route=v", sets "route=own-B; HttpOnly, app=x"
/sets?on=1 route=ID_B~v -> B, sees "route=v", sets "route=ID_B~own-B; HttpOnly, app=x"
/sets route=v -> A, sees "route=v", sets "route=own-A; HttpOnly, app=x"



=== mode=route: the route is not followed
--- http_config
upstream u { server 127.0.0.1:1985 id=a; server 127.0.0.1:1986 id=b; session_sticky mode=route lookup=$arg_to if=$arg_on; }
--- visits
/t?to=b -> A, X-Said "off/unused"
/t?to=b -> B, X-Said "off/unused"
/t?to=b -> A, X-Said "off/unused"
/t?to=b&on=1 -> B, X-Said "bound/valid"
/t?to=b&on=1 -> B, X-Said "bound/valid"



=== mode=learn: a session is neither followed nor learned
--- http_config
upstream u {
    server 127.0.0.1:1985; server 127.0.0.1:1986;
    session_sticky mode=learn lookup=$cookie_app create=$arg_new zone=switched:64k if=$arg_on;
}
--- visits
/t?new=s -> A, X-Said "off/unused"
/t?on=1 app=s -> B, X-Said "new/none"
/t?on=1 app=s -> A, X-Said "new/none"
/t?on=1&new=s -> B, X-Said "new/none"
/t?on=1 app=s -> B, X-Said "bound/valid"
/t?on=1 app=s -> B, X-Said "bound/valid"
/t?new=s app=s -> A, X-Said "off/unused"
/t app=s -> B, X-Said "off/unused"
/t app=s -> A, X-Said "off/unused"
/t?on=1 app=s -> B, X-Said "bound/valid"



=== mode=learn … header: the same
--- http_config
upstream u {
    server 127.0.0.1:1985; server 127.0.0.1:1986;
    session_sticky mode=learn lookup=$cookie_app create=$arg_new zone=switched_header:64k header if=$arg_on;
}
--- visits
/t?new=s -> A, X-Said "off/unused"
/t?on=1 app=s -> B, X-Said "new/none"
/t?on=1&new=s -> A, X-Said "new/none"
/t?new=s app=s -> B, X-Said "off/unused"
/t?on=1 app=s -> A, X-Said "bound/valid"
/t?on=1 app=s -> A, X-Said "bound/valid"



=== mode=learn: a session that is only requested while it is off ends after its timeout
--- http_config
upstream u {
    server 127.0.0.1:1985; server 127.0.0.1:1986;
    session_sticky mode=learn lookup=$cookie_app create=$arg_new zone=switched_timeout:64k timeout=3s if=$arg_on;
}
--- client
my @to = map { body(visit('/t?on=1&new=s')) =~ /^(\w)/ } 1;
for (1 .. 9) {
    select undef, undef, undef, 0.5;
    visit('/t', 'app=s');
}
equals(head('X-Said', visit('/t?on=1', 'app=s')), 'new/none', "the session of $to[0] has ended");



=== fallback=off: no request is refused
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; server 127.0.0.1:1999 down; session_sticky hash=plain fallback=off if=$arg_on; }
--- visits
route=127.0.0.1:1999 -> A, sets nothing, X-Said "off/unused"
route=nobody -> B, sets nothing, X-Said "off/unused"
/t?on=1 route=127.0.0.1:1999 -> 502, sets nothing, X-Said "refused/down"
/t?on=1 route=nobody -> 502, sets nothing, X-Said "refused/unknown"
route=127.0.0.1:1999 -> A, sets nothing, X-Said "off/unused"



=== fallback=off: if a server fails, another is tried, unlike for a session
--- http_config
upstream u { server 127.0.0.1:1999 max_fails=0; server 127.0.0.1:1986; session_sticky hash=plain fallback=off if=$arg_on; }
--- config
add_header X-Tried $upstream_addr always;
--- visits
route=127.0.0.1:1999 -> B, sets nothing, X-Tried "127.0.0.1:1999, 127.0.0.1:1986", X-Said "off/unused"
/t?on=1 route=127.0.0.1:1999 -> 502, sets nothing, X-Tried "127.0.0.1:1999", X-Said "bound/valid"



=== rebind=off: no server is lent
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; server 127.0.0.1:1999 down; session_sticky hash=plain rebind=off if=$arg_on; }
--- visits
route=127.0.0.1:1999 -> A, sets nothing, X-Said "off/unused"
route=127.0.0.1:1999 -> B, sets nothing, X-Said "off/unused"
route=127.0.0.1:1999 -> A, sets nothing, X-Said "off/unused"



=== a draining server gets no requests while it is off, and keeps its sessions while it is on
--- http_config
upstream u { server 127.0.0.1:1985 drain; server 127.0.0.1:1986; session_sticky if=$arg_on; }
--- visits
-> B, X-Said "off/unused"
route=ID_A -> B, sets nothing, X-Said "off/unused"
/t?on=1 route=ID_A -> A, sets nothing, X-Said "bound/valid"
route=ID_A -> B, sets nothing, X-Said "off/unused"



=== backup servers are used last while it is off
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986 backup; session_sticky if=$arg_on; }
--- visits
route=ID_B -> A, sets nothing, X-Said "off/unused"
/t?on=1 route=ID_B -> B, sets nothing, X-Said "bound/valid"
route=ID_B -> A, sets nothing, X-Said "off/unused"



=== all servers unreachable
--- http_config
upstream u { server 127.0.0.1:1998 max_fails=0; server 127.0.0.1:1999 max_fails=0; session_sticky if=$arg_on; }
--- visits
route=nobody -> 502, sets nothing, X-Said "off/unused"
--- error_log
connect() failed (111:
--- no_error_log
[alert]
[crit]



=== the variables: the server, and nothing about the session
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1999 max_fails=0; session_sticky maxidle=1h if=$arg_on; }
--- config
add_header X-All "$session_sticky_status/$session_sticky_verdict/$session_sticky_action/$session_sticky_id/$session_sticky_server/$session_sticky_first_seen" always;
--- visits
route=ID_A|NOW-9|NOW-99 -> A, X-All "off/unused/none//127.0.0.1:1985/"
route=ID_A|NOW-9|NOW-99 -> A, X-All "off/unused/none//127.0.0.1:1985/"
/t?on=1 route=ID_A|NOW-9|NOW-99 -> A, X-All like "bound/valid/updated/ID_A/127.0.0.1:1985/NOW-99"



=== a variable of a hidden cookie has the value that the servers see
--- sticky: if=$cookie_route option=indirect
--- visits
route=ID_B -> A, sees nothing, sets nothing, X-Said "off/unused"
route=ID_B -> B, sees nothing, sets nothing, X-Said "off/unused"



=== the upstream in a variable: cookies to be hidden are hidden
--- sticky: if=$arg_on option=indirect
--- config
location /hides { set $pool u; session_sticky_hide_cookie upstream=u; proxy_pass http://$pool; }
location /shows { set $pool u; proxy_pass http://$pool; }
--- visits
/hides a=b; route=ID_B -> A, sees "a=b", sets nothing, X-Said "off/unused"
/hides?on=1 a=b; route=ID_B -> B, sees "a=b", sets nothing, X-Said "bound/valid"
/shows a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing, X-Said "off/unused"
/shows?on=1 a=b; route=ID_B -> B, sees "a=b; route=ID_B", sets nothing, X-Said "bound/valid"
--- may_warn
session_sticky_hide_cookie



=== without a variable it is the same for each request
--- http_config
upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky if=0; }
upstream v { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky if=yes cookie=v; }
--- config
location /v { proxy_pass http://v; }
--- visits
route=ID_B; v=ID_D -> A, sets nothing
route=ID_B; v=ID_D -> B, sets nothing
/v route=ID_B; v=ID_D -> D, sets nothing
/v -> C, sets "v=ID_C; Path=/"
--- may_warn
which has no variable
