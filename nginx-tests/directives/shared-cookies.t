# The messages of nginx -t about upstreams with the same cookie in one "server" block, and about unused IDs.
#
#   warn    nginx starts with exactly one [warn] line, which contains each line of this section
# KEYS is the folder of three key files: "one" and "two" have a key each, "both" has both.

use Sticky qw(Keys Verdicts);

key_file('one', $key[1]);
key_file('two', $key[2]);
key_file('both', @key[1, 2]);

verdict_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $block->http_config =~ s/\bKEYS\b/$keys/gr);
    $block->set_value(config => ($block->config // '') . 'location = /t { return 200; }');
});
run_tests();

__DATA__

=== two upstreams with different servers and the same cookie, in one server block: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky; }
upstream b { server 127.0.0.1:1986; session_sticky; }
--- config
location /a { proxy_pass http://a; location /a/b { if ($arg_x) { proxy_pass http://b; } } }
--- warn
cookie "route" of upstream "b" is also that of upstream "a", which has other servers



=== the same with other protocols, and with other systems' directives
--- http_config
upstream a { server 127.0.0.1:1985; sticky name=c domain=.x.example; }
upstream b { server 127.0.0.1:1986; session_sticky cookie=c domain=X.example; }
--- config
location /a { fastcgi_pass a; }
location /b { uwsgi_pass b; }
--- warn
cookie "c" of upstream "b" is also that of upstream "a"



=== each of several conflicting upstreams is reported once
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky; }
upstream b { server 127.0.0.1:1986; session_sticky; }
server { listen 1983; location /b { proxy_pass http://b; } location /a { proxy_pass http://a; } }
server { listen 1982; location /b { proxy_pass http://b; } location /a { proxy_pass http://a; } }
--- warn
is also that of upstream



=== no message: another name, path or domain; the same servers or IDs; another server block; the application's cookie; none
--- http_config
upstream a { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
upstream name   { server 127.0.0.1:1987; session_sticky cookie=other; }
upstream path   { server 127.0.0.1:1987; session_sticky path=/path; }
upstream domain { server 127.0.0.1:1987; session_sticky domain=x.example; }
upstream varies { server 127.0.0.1:1987; session_sticky path=$uri; }
upstream same   { server 127.0.0.1:1986; server 127.0.0.1:1985; session_sticky; }
upstream both   { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=f accept=plain; }
upstream forms  { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky cookie=f hash=plain accept=md5; }
upstream port80 { server 127.0.0.1:1985 id=1; server 127.0.0.1:1986 id=2; session_sticky cookie=p hash=plain; }
upstream port81 { server 127.0.0.1:1987 id=1; server 127.0.0.1:1988 id=2; session_sticky cookie=p hash=plain; }
upstream app    { server 127.0.0.1:1987; session_sticky mode=prefix; }
upstream never  { server 127.0.0.1:1987; sticky hide_cookie; }
upstream none   { server 127.0.0.1:1987; }
upstream away   { server 127.0.0.1:1988; session_sticky; }
server { listen 1983; location / { proxy_pass http://away; } }
--- config
location /a { proxy_pass http://a; }
location /name { proxy_pass http://name; }
location /path { proxy_pass http://path; }
location /domain { proxy_pass http://domain; }
location /varies { proxy_pass http://varies; }
location /same { proxy_pass http://same; }
location /both { proxy_pass http://both; }
location /forms { proxy_pass http://forms; }
location /port80 { proxy_pass http://port80; }
location /port81 { proxy_pass http://port81; }
location /app { proxy_pass http://app; }
location /never { proxy_pass http://never; }
location /none { proxy_pass http://none; }



=== the same servers with different IDs, which the other upstream does not accept: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
upstream b { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky hash=plain; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a"



=== the same servers with different IDs by nginx's own route=: [warn]
--- skip_nginx: 3: < 1.29.6
--- http_config
upstream a { server 127.0.0.1:1985 route=1; session_sticky hash=plain; }
upstream b { server 127.0.0.1:1985 route=2; session_sticky hash=plain; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a"



=== different servers with the same route=, or with the same id= regardless of their route=: no message
--- skip_nginx: 3: < 1.29.6
--- http_config
upstream a { server 127.0.0.1:1985 route=1; session_sticky hash=plain; }
upstream b { server 127.0.0.1:1986 route=1; session_sticky hash=plain; }
upstream c { server 127.0.0.1:1985 route=1 id=x; session_sticky cookie=c hash=plain; }
upstream d { server 127.0.0.1:1986 route=2 id=x; session_sticky cookie=c hash=plain; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
location /c { proxy_pass http://c; }
location /d { proxy_pass http://d; }



=== a location that passes to a variable, and hides the cookies of several upstreams: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky option=indirect; }
upstream b { server 127.0.0.1:1986; session_sticky option=indirect; }
map $arg_pool $pool { default a; b b; }
--- config
location / { session_sticky_hide_cookie upstream=a upstream=b; proxy_pass http://$pool; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a"



=== a location without an upstream, with the hide directive of an outer level: no message
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky option=indirect; }
upstream b { server 127.0.0.1:1986; session_sticky option=indirect; }
session_sticky_hide_cookie upstream=a upstream=b;
--- config
location /a { proxy_pass http://a; }
location /files { }



=== the same servers with IDs by different keys: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky hash=hmac key_file=KEYS/one; }
upstream b { server 127.0.0.1:1985; session_sticky hash=hmac key_file=KEYS/two; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a", which has other servers or ids



=== different servers with IDs by the same key: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky hash=hmac key_file=KEYS/both; }
upstream b { server 127.0.0.1:1986; session_sticky hash=hmac key_file=KEYS/one; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a", which has other servers or ids



=== the same servers with IDs by several keys, or by MD5, and one does not accept the other's: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky hash=hmac key_file=KEYS/both; }
upstream b { server 127.0.0.1:1985; session_sticky accept=hmac key_file=KEYS/both; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a", which has other servers or ids



=== the same servers with values signed by different keys: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky maxidle=1h sign key_file=KEYS/one; }
upstream b { server 127.0.0.1:1985; session_sticky maxidle=1h sign key_file=KEYS/two accept=unsigned; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a", which signs it differently



=== the same servers with values that only one upstream signs: [warn]
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky maxidle=1h; }
upstream b { server 127.0.0.1:1985; session_sticky maxidle=1h sign key_file=KEYS/two; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
--- warn
cookie "route" of upstream "b" is also that of upstream "a", which signs it differently



=== the same servers with compatible keys: no message
--- http_config
upstream a { server 127.0.0.1:1985; session_sticky hash=hmac key_file=KEYS/one; }
upstream b { server 127.0.0.1:1985; session_sticky hash=hmac key_file=KEYS/both; }
upstream c { server 127.0.0.1:1985; session_sticky cookie=c hash=hmac key_file=KEYS/both accept=md5; }
upstream d { server 127.0.0.1:1985; session_sticky cookie=c accept=hmac key_file=KEYS/both; }
upstream e { server 127.0.0.1:1985; session_sticky cookie=e maxidle=1h sign key_file=KEYS/one; }
upstream f { server 127.0.0.1:1985; session_sticky cookie=e maxlife=1h sign key_file=KEYS/both; }
upstream g { server 127.0.0.1:1985; session_sticky cookie=g maxidle=1h sign key_file=KEYS/one accept=unsigned; }
upstream h { server 127.0.0.1:1985; session_sticky cookie=g maxidle=1h; }
--- config
location /a { proxy_pass http://a; }
location /b { proxy_pass http://b; }
location /c { proxy_pass http://c; }
location /d { proxy_pass http://d; }
location /e { proxy_pass http://e; }
location /f { proxy_pass http://f; }
location /g { proxy_pass http://g; }
location /h { proxy_pass http://h; }



=== unused id=: [warn]
--- http_config
upstream a { server 127.0.0.1:1985 id=1; session_sticky accept=nginx; }
--- warn
parameter "id" of the "server" directive has no effect in upstream "a"
hash=plain



=== id= in an upstream without session_sticky: [warn]
--- http_config
upstream a { server 127.0.0.1:1985 id=1; }
--- warn
parameter "id" of the "server" directive has no effect in upstream "a"



=== used id=: no message
--- http_config
upstream a { server 127.0.0.1:1985 id=1; session_sticky hash=plain; }
upstream b { server 127.0.0.1:1985 id=1; session_sticky accept=haproxy; }
upstream c { server 127.0.0.1:1985 id=1; server 127.0.0.1:1986; session_sticky accept=plain; }



=== other systems' directives: a path without a slash
--- http_config
upstream a { server 127.0.0.1:1985; sticky path=app; }
--- warn
"sticky" with "path=app" needs a leading slash



=== other systems' directives: a name with a variable
--- http_config
upstream a { server 127.0.0.1:1985; sticky name=$x; }
--- warn
"sticky" with a cookie "$x", which is used literally



=== other systems' directives: a path with a variable, which nginx's own does not support
--- http_config
upstream a { server 127.0.0.1:1985; sticky_cookie_insert c path=/$x; }
--- warn
"sticky_cookie_insert" with "path=/$x", which is used literally
