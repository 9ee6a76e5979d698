# Variables defined in the configuration under the name of a $cookie_ variable: clients cannot influence their value.
#
#   defined by       auth_request_set, set, map, a named capture of the URI and of the Cookie field
#   clients send     a session that is hidden, a value with nothing to hide, a cookie of the variable's name, and none
#   nginx's own      $http_cookie and $cookie_NAME contain only the remaining cookies, even if another location sets that $cookie_NAME

use Sticky;

our $http = servers('location / { return 200 "NAME user=[$http_x_user] cookie=[$http_cookie]\n"; }', qw(A B)) . <<'_EOC_';
    server { listen 127.0.0.1:1987; location / { add_header X-User acme; return 204; } }
    upstream prefix { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=s mode=prefix; }
    upstream hiding { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=s option=indirect; }
    upstream other  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=t option=indirect; }
    proxy_set_header X-User $cookie_user;
_EOC_

# The cookies of a request, and what the servers get of them with prefix and with hiding.
our @sent = (
    ['s=ID_B~x',                    's=x',           ''],
    ['s=anything',                  's=anything',    ''],
    ['user=evil; s=ID_B~x',         'user=evil; s=x', 'user=evil'],
    ['s=ID_B; user=evil',           's=ID_B; user=evil', 'user=evil'],
    ["user=evil\nCookie: s=ID_B~x", 'user=evil; s=x', 'user=evil'],
    ["s=ID_B~x\nCookie: a=b; user=evil", 's=x; a=b; user=evil', 'a=b; user=evil'],
    ['user=evil',                   'user=evil',     'user=evil'],
    ['a=b',                         'a=b',           'a=b'],
);

add_block_preprocessor(sub {
    my $block = shift;
    # Both ways of hiding, each with all cookies; USER is the expected value of the variable.
    if (defined(my $user = $block->user)) {
        my @all = map { my $sent = $_; map { [$_, $sent->[0], $sent->[$_ eq 'prefix' ? 1 : 2]] } qw(prefix hiding) } @sent;
        $block->set_value(request => [map { "GET /$_->[0]/acme" } @all]);
        $block->set_value(more_headers => [map { "Cookie: $_->[1]" } @all]);
        $block->set_value(response_body_like => [map { '^[AB] user=\[' . $user . '\] cookie=\[' . expand($_->[2], time) . '\]$' } @all]);
    }
    fill($block, $http, 'response_body_like');
});

visit_lines(path => '/');
run_tests();

__DATA__

=== auth_request_set
--- config
auth_request /auth;
auth_request_set $cookie_user $upstream_http_x_user;
location = /auth { internal; auth_request off; proxy_pass http://127.0.0.1:1987; }
location /prefix/ { proxy_pass http://prefix; }
location /hiding/ { proxy_pass http://hiding; }
--- user: acme



=== set
--- config
set $cookie_user acme;
location /prefix/ { proxy_pass http://prefix; }
location /hiding/ { proxy_pass http://hiding; }
--- user: acme



=== set, to the value of another cookie
--- config
set $cookie_user "$cookie_name";
location / { proxy_pass http://hiding; }
--- visits
name=acme; s=ID_B; user=evil -> says "B user=[acme] cookie=[name=acme; user=evil]\n"
s=ID_B; user=evil -> says "B user=[] cookie=[user=evil]\n"



=== map
--- http_config
map $uri $cookie_user { default acme; }
--- config
location /prefix/ { proxy_pass http://prefix; }
location /hiding/ { proxy_pass http://hiding; }
--- user: acme



=== map with the session's cookie, evaluated before it is hidden
--- http_config
map $cookie_s $cookie_user { "" stranger; default acme; }
--- config
set $early $cookie_user;
location / { proxy_pass http://hiding; }
--- visits
s=ID_B -> says like "^B user=\[acme\]"
user=evil; s=ID_B -> says like "^B user=\[acme\]"
user=evil -> says like "^[AB] user=\[stranger\]"



=== map with a cookie as its value: a value evaluated before is kept, even the session's
--- http_config
map $uri $cookie_user { default $cookie_s; }
--- config
location /early { if ($cookie_user = "never") { return 403; } proxy_pass http://hiding; }
location /late { proxy_pass http://hiding; }
--- visits
/early a=b; s=ID_B -> says "B user=[ID_B] cookie=[a=b]\n"
/late a=b; s=ID_B -> says "B user=[] cookie=[a=b]\n"
/late a=b; s=ID_B; user=evil -> says "B user=[] cookie=[a=b; user=evil]\n"



=== a named capture of the URI
--- config
location ~ ^/prefix/(?<cookie_user>\w+)$ { proxy_pass http://prefix; }
location ~ ^/hiding/(?<cookie_user>\w+)$ { proxy_pass http://hiding; }
--- user: acme



=== a named capture of the Cookie field, pointing into it
--- config
if ($http_cookie ~ "name=(?<cookie_user>\w+)") { set $seen 1; }
location /prefix/ { proxy_pass http://prefix; }
location /hiding/ { proxy_pass http://hiding; }
--- visits
/hiding/ name=acme; s=ID_B; user=evil -> says like "^B user=\[acme\]"
/prefix/ name=acme; s=ID_B~x; user=evil -> says like "^B user=\[acme\]"
/hiding/ name=acme; user=evil -> says like "^[AB] user=\[acme\]"
/hiding/ user=evil; s=ID_B -> says like "^B user=\[\]"



=== a named capture of the session's cookie, and one of a $cookie_ variable
--- config
if ($http_cookie ~ "s=(?<cookie_user>\w+)") { set $seen 1; }
location / { proxy_pass http://hiding; }
location /cookie { if ($cookie_s ~ "^(?<cookie_user>\w+)$") { set $seen 1; } proxy_pass http://hiding; }
--- visits
a=b; s=ID_B; user=evil -> says "B user=[ID_B] cookie=[a=b; user=evil]\n"
/cookie a=b; s=ID_B; user=evil -> says "B user=[ID_B] cookie=[a=b; user=evil]\n"



=== nginx's variables evaluated before: they contain only the remaining cookies
--- config
set $early "$http_cookie $cookie_s $cookie_a $cookie_none.";
location / { proxy_set_header X-User "$http_cookie/$cookie_s/$cookie_a/$cookie_none/$early"; proxy_pass http://hiding; }
--- visits
a=b; s=ID_B -> says like "^B user=\[a=b//b//a=b; s=ID_B ID_B b \.\]"
a=b | s=ID_B -> says like "^B user=\[a=b//b//a=b; s=ID_B ID_B b \.\]"
a=b -> says like "^[AB] user=\[a=b//b//a=b  b \.\]"



=== nginx's variables evaluated before, with a variable of that name set in another location
--- config
location /elsewhere { set $cookie_s x; set $cookie_user x; proxy_pass http://hiding; }
location /one { if ($cookie_s$cookie_user = never) { return 403; } proxy_set_header X-User "$cookie_s/$cookie_user"; proxy_pass http://hiding; }
location /prefix { if ($cookie_s$cookie_user = never) { return 403; } proxy_set_header X-User "$cookie_s/$cookie_user"; proxy_pass http://prefix; }
--- visits
/one s=ID_B; user=own -> says like "^B user=\[/own\]"
/one user=own | s=ID_B -> says like "^B user=\[/own\]"
/one s=ID_B -> says like "^B user=\[/\]"
/prefix s=ID_B~x; user=own -> says like "^B user=\[x/own\]"



=== the same for a second location that hides a cookie, with evaluation in between
--- config
location /elsewhere { set $cookie_t x; set $cookie_user x; proxy_pass http://hiding; }
location / { session_sticky_hide_cookie upstream=hiding; set $cookie_tenant acme; try_files /none @second; }
location @second {
    if ($cookie_t$cookie_user$cookie_tenant = never) { return 403; }
    proxy_set_header X-User "$cookie_s/$cookie_t/$cookie_user/$cookie_tenant";
    proxy_pass http://other;
}
--- visits
a=b; s=ID_B; t=ID_A; user=own; tenant=evil -> says "A user=[//own/acme] cookie=[a=b; user=own; tenant=evil]\n"
tenant=evil; t=ID_A | user=own; s=ID_B -> says "A user=[//own/acme] cookie=[tenant=evil; user=own]\n"



=== set to an empty value just before a second location that hides a cookie: clients do not set it again
--- config
location / { session_sticky_hide_cookie upstream=hiding; set $cookie_user "$cookie_none"; error_page 418 = @second; return 418; }
location @second { set $cookie_user "$cookie_none"; proxy_pass http://other; }
location /both { set $cookie_user "$cookie_none"; session_sticky_hide_cookie upstream=hiding; try_files /none @second; }
--- visits
user=evil; t=ID_A | s=ID_B -> says like "^A user=\[\] "
/both user=evil; t=ID_A; s=ID_B -> says like "^A user=\[\] "
/both user=evil; t=ID_A | s=ID_B -> says like "^A user=\[\] "
/both user=evil; t=ID_A | user=evil; s=ID_B; a=b -> says like "^A user=\[\] "



=== mode=prefix without a ~: nothing is hidden, and the field is unchanged
--- config
location / { proxy_set_header X-User "$cookie_s"; proxy_pass http://prefix; }
--- visits
;a=b; s=x;; -> says like "^[AB] user=\[x\] cookie=\[;a=b; s=x;;\]"
;a=b; s=x;; | s=ID_B~y; c=d -> says like "^B user=\[x\] cookie=\[;a=b; s=x;;; s=y; c=d\]"
